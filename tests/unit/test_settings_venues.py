import pytest
from pydantic import ValidationError

from ringside.adapters.sources import make_sources
from ringside.settings import Settings


def make(**changed):
    changed = {"source": "exchange", "series": "BTC/USDT,ETH/USDT", **changed}
    return Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:9/none", **changed)


def test_each_series_has_its_venues_the_authority_first():
    settings = make(venue="bybit", series_venues="BTC/USDT=binance>kraken")
    assert settings.venues_of("BTC/USDT") == ("binance", "kraken")
    assert settings.venues_of("ETH/USDT") == ("bybit",)
    assert [source.venue for source in make_sources(settings, "BTC/USDT")] == ["binance", "kraken"]


def test_without_an_exchange_the_source_is_the_venue():
    settings = make(source="simulated", series_venues="BTC/USDT=binance>kraken")
    assert settings.venues_of("BTC/USDT") == ("simulated",)
    assert [source.venue for source in make_sources(settings, "BTC/USDT")] == ["simulated"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"series_venues": "binance>kraken"}, "is not like"),
        ({"series_venues": "BTC/USDT=binance>"}, "is not like"),
        ({"series_venues": "BTC/USDT=binance>binance"}, "names a venue twice"),
        ({"series_venues": "BTC/USDT=binance,BTC/USDT=kraken"}, "names BTC/USDT twice"),
        ({"series_venues": "SOL/USDT=kraken"}, "not among the series"),
        ({"venue_urls": "binance=https://api.example.com"}, "only a stand-in on this machine"),
        ({"venue_urls": "http://127.0.0.1:8181"}, "is not like"),
    ],
)
def test_slips_of_the_pen_are_refused(changed, told):
    with pytest.raises(ValidationError, match=told):
        make(**changed)


def test_stand_in_is_named_in_the_description_so_that_stores_never_mix():
    settings = make(venue_urls="binance=http://127.0.0.1:8181/")
    played, real = make_sources(settings, "BTC/USDT")[0], make_sources(make(), "BTC/USDT")[0]
    assert played.describe() != real.describe()
