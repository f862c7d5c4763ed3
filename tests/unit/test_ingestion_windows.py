from datetime import UTC, datetime, timedelta, timezone

import pytest

from ringside.adapters.venue_store import VenueStore
from ringside.errors import SettingsError
from ringside.jobs.ingestion import make_batch_id
from ringside.jobs.windows import Window, find_windows
from ringside.settings import Settings

AS_OF = datetime(2025, 3, 1, 12, 0, 7, tzinfo=UTC)
SETTINGS = Settings(
    database_url="postgresql+psycopg://nobody@127.0.0.1:9/none", series="BTC/USDT,ETH/USDT"
)


@pytest.fixture(autouse=True)
def _empty_store(monkeypatch):
    monkeypatch.setattr(VenueStore, "read_venues", lambda self, symbol: [])


def ask(start, end=None, *, as_of=AS_OF):
    return find_windows(SETTINGS, as_of=as_of, start=start, end=end)


def test_hours_asked_for_are_cut_to_full_hours_for_every_series():
    windows = ask(AS_OF - timedelta(hours=5), AS_OF - timedelta(hours=2))
    assert windows == [
        Window(symbol, "2025-03-01T07:00:00+00:00", "2025-03-01T10:00:00+00:00", "asked for")
        for symbol in ("BTC/USDT", "ETH/USDT")
    ]


@pytest.mark.parametrize("end", [None, AS_OF + timedelta(days=1)])
def test_hours_asked_for_end_where_nothing_has_closed_yet(end):
    assert ask(AS_OF - timedelta(days=1), end)[0].end == "2025-03-01T12:00:00+00:00"


def test_a_start_in_another_time_zone_means_the_same_instant():
    half = timezone(timedelta(hours=5, minutes=30))
    start = datetime(2025, 3, 1, 13, 0, tzinfo=half)
    assert ask(start)[0].start == "2025-03-01T07:00:00+00:00"


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (None, AS_OF, "an end without a start"),
        (AS_OF, None, "the window is in the future"),
        (AS_OF + timedelta(days=3), AS_OF + timedelta(days=4), "the window is in the future"),
        (datetime(2025, 3, 1, 7), None, "start 2025-03-01T07:00:00 has no time zone"),  # noqa: DTZ001 - naive on purpose
        (AS_OF - timedelta(hours=2), datetime(2025, 3, 1, 11), "end .* has no time zone"),  # noqa: DTZ001 - naive on purpose
        (AS_OF - timedelta(hours=2), AS_OF - timedelta(hours=3), "the window is empty"),
    ],
)
def test_a_window_that_cannot_be_is_refused(start, end, told):
    with pytest.raises(SettingsError, match=told):
        ask(start, end)


def test_a_batch_is_named_by_its_window_and_as_of_alone():
    window = Window("BTC/USDT:USDT", "2025-02-28T00:00:00+00:00", "2025-03-01T12:00:00+00:00", "x")
    name = "BTC-USDT-USDT_20250228T00_20250301T12_at_20250301T120007"
    assert make_batch_id(window, as_of=AS_OF) == name
    local = AS_OF.astimezone(timezone(timedelta(hours=-3)))
    assert make_batch_id(window, as_of=local) == name
