import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from builders import make_candles, write_candle_file
from ringside.adapters.database import make_engine
from ringside.adapters.market_clock import ClockSetting, MarketClock
from ringside.core.market_simulation import LAST_CLOSE
from ringside.errors import HistoryTooShortError, SettingsError, SourceMismatchError
from ringside.jobs.clock import read_market_time, set_clock

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 15, 27, 31, tzinfo=UTC)


@pytest.fixture
def clock(settings):
    return MarketClock(make_engine(settings))


def with_file(settings, folder, **candles):
    write_candle_file(make_candles(**candles), folder)
    return settings.model_copy(update={"source": "file", "source_path": folder})


def test_market_time_starts_thirty_days_before_the_end_and_keeps_the_minutes(settings):
    facts = set_clock(settings, real_now=NOW)
    expected = LAST_CLOSE - timedelta(days=30) + timedelta(minutes=27, seconds=31)
    assert facts.market_time == expected
    assert str(facts) == "simulated market, seed 7, market time 2025-12-02 00:27 UTC"


def test_market_time_advances_with_real_time(settings):
    began = set_clock(settings, real_now=NOW).market_time
    later = timedelta(days=2, minutes=40)
    assert set_clock(settings, real_now=NOW + later).market_time == began + later
    assert read_market_time(settings, real_time=NOW + later) == began + later


def test_files_set_the_clock_by_their_own_end(settings, tmp_path):
    start = datetime(2025, 1, 1, 0, tzinfo=UTC)
    chosen = with_file(settings, tmp_path, count=40 * 24 + 5, start=start)
    facts = set_clock(chosen, real_now=NOW.replace(minute=0, second=0))
    assert facts.market_time == start + timedelta(days=10, hours=5)


def test_files_that_leave_nothing_before_the_clock_are_refused(settings, clock, tmp_path):
    chosen = with_file(settings, tmp_path, count=20 * 24)
    with pytest.raises(HistoryTooShortError, match="30 days before the end"):
        set_clock(chosen, real_now=NOW)
    assert clock.read() is None


def test_market_time_of_an_exchange_is_real_time(settings):
    chosen = settings.model_copy(update={"source": "exchange"})
    assert set_clock(chosen, real_now=NOW).market_time == NOW


@pytest.mark.parametrize(
    "other",
    [{"source": "exchange"}, {"simulation_seed": 8}],
    ids=["another source", "another seed"],
)
def test_other_data_are_refused_once_the_stores_hold_some(settings, clock, other):
    set_clock(settings, real_now=NOW)
    held = clock.read()
    for ask in (
        lambda chosen: set_clock(chosen, real_now=NOW),
        lambda chosen: read_market_time(chosen, real_time=NOW),
    ):
        with pytest.raises(SourceMismatchError, match="make clean"):
            ask(settings.model_copy(update=other))
    assert clock.read() == held


def test_clock_that_is_not_set_says_how_to_set_it(settings, clock):
    with pytest.raises(SettingsError, match="ringside set-clock"):
        read_market_time(settings, real_time=NOW)
    with pytest.raises(SettingsError, match="ringside set-clock"):
        clock.to_market(NOW)


def test_of_many_that_set_the_clock_at_once_one_offset_holds(clock):
    def set_clock_to(hours):
        return clock.set_once("simulated", "seed 7", hours, set_at=NOW).offset_hours

    with ThreadPoolExecutor(8) as pool:
        offsets = set(pool.map(set_clock_to, range(8)))
    assert offsets == {clock.read().offset_hours}


def test_what_was_set_is_read_back(clock):
    setting = clock.set_once("simulated", "seed 7", -8_000, set_at=NOW)
    assert setting == clock.read() == ClockSetting("simulated", "seed 7", -8_000, NOW)
    assert clock.to_market(NOW) == NOW - timedelta(hours=8_000)


def test_job_logs_its_facts(settings, caplog):
    caplog.set_level(logging.INFO, "ringside")
    set_clock(settings, real_now=NOW)
    assert "clock set source=simulated offset_hours=" in caplog.text
