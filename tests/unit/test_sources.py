from datetime import UTC, datetime, timedelta

import pytest

from builders import make_candles, write_candle_file
from ringside.adapters import sources
from ringside.adapters.sources import FoundSource, find_source, make_source
from ringside.core.candles import keep_closed, to_datetime64
from ringside.core.market_simulation import LAST_CLOSE
from ringside.errors import CandleDataError, SettingsError
from ringside.settings import Settings

AS_OF = datetime(2025, 1, 1, 12, 40, tzinfo=UTC)
FAULT = "binance did not answer within 4 s"


@pytest.fixture
def make_settings():
    def make(**changed):
        return Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:9/none", **changed)

    return make


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(sources, "find_fault", lambda venue, *, timeout_s: FAULT)


@pytest.mark.parametrize("kind", ["file", "simulated"])
def test_sources_show_the_same_laws(make_settings, tmp_path, kind):
    # the contract of CandleSource, for those that need no network
    write_candle_file(make_candles(48, start=datetime(2024, 12, 31, tzinfo=UTC)), tmp_path)
    source = make_source(make_settings(source=kind, source_path=tmp_path))
    start, end = AS_OF - timedelta(hours=6, minutes=40), AS_OF + timedelta(hours=6)

    shown = source.fetch("BTC/USDT", start, end, AS_OF)
    closed = keep_closed(shown, AS_OF)

    assert source.venue == kind
    assert shown.symbol == "BTC/USDT"
    assert closed.open_time[0] == to_datetime64(start)
    assert closed.close_time[-1] == to_datetime64(AS_OF.replace(minute=0))
    assert len(shown) - len(closed) <= 1
    assert source.last_known("BTC/USDT") in {datetime(2025, 1, 2, tzinfo=UTC), LAST_CLOSE}


def test_each_source_describes_its_data(make_settings, tmp_path):
    described = [
        make_source(make_settings(**chosen)).describe()
        for chosen in (
            {"source": "exchange", "venue": "kraken"},
            {"source": "file", "source_path": tmp_path / "x" / ".."},
            {"source": "simulated", "simulation_seed": 3},
        )
    ]
    assert described == [
        "kraken through ccxt",
        f"candle files in {tmp_path}",
        "simulated market, seed 3",
    ]


def test_live_market_has_no_end(make_settings):
    assert make_source(make_settings(source="exchange")).last_known("BTC/USDT") is None


def test_file_source_needs_a_folder(make_settings):
    with pytest.raises(SettingsError, match="RINGSIDE_SOURCE_PATH"):
        make_source(make_settings(source="file"))


def test_exchange_that_answers_is_first(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "find_fault", lambda venue, *, timeout_s: None)
    write_candle_file(make_candles(3), tmp_path)
    found = find_source(["BTC/USDT"], venue="kraken", folder=tmp_path)
    assert found == FoundSource("exchange", None, "kraken answers, so candles come from there")


@pytest.mark.usefixtures("offline")
def test_folder_that_holds_every_series_is_second(tmp_path):
    write_candle_file(make_candles(3), tmp_path)
    found = find_source(["BTC/USDT"], folder=tmp_path)
    assert found == FoundSource("file", tmp_path, f"{FAULT}; {tmp_path} holds candles of BTC/USDT")


@pytest.mark.usefixtures("offline")
def test_folder_that_lacks_a_series_is_passed_over_and_it_says_so(tmp_path):
    write_candle_file(make_candles(3), tmp_path)
    found = find_source(["BTC/USDT", "ETH/USDT"], folder=tmp_path)
    assert (found.kind, found.source_path) == ("simulated", None)
    assert f"{tmp_path} holds no candles of ETH/USDT, so" in found.reason


@pytest.mark.usefixtures("offline")
def test_simulated_market_is_last():
    found = find_source(["BTC/USDT"])
    assert (found.kind, found.source_path) == ("simulated", None)
    assert found.reason.startswith(f"{FAULT}; no folder of candles")


@pytest.mark.usefixtures("offline")
def test_damaged_folder_is_told_not_passed_over(tmp_path):
    (tmp_path / "btcusdt_1h.parquet").write_bytes(b"PAR1")
    with pytest.raises(CandleDataError, match=r"btcusdt_1h\.parquet cannot be read"):
        find_source(["BTC/USDT"], folder=tmp_path)
