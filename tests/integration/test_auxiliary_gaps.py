"""Auxiliary values as fetched, their gaps anywhere in the history, and released ones."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from ringside.adapters.database import make_engine, transaction
from ringside.adapters.yahoo_source import YahooSource
from ringside.core.known_values import AUXILIARY
from ringside.errors import CandleDataError
from ringside.jobs.auxiliary import (
    find_auxiliary_windows,
    ingest_auxiliary,
    require_clean_values,
)
from ringside.jobs.releasing import release_quarantine

pytestmark = pytest.mark.integration

FIRST = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
DAYS = 60
AS_OF = datetime(2025, 3, 28, 22, tzinfo=UTC)  # a Friday, all sessions closed
LOST = datetime(2025, 1, 20, tzinfo=UTC)  # a Monday: the weekend before it is no gap


@pytest.fixture
def market(settings, tmp_path):
    return settings.model_copy(update={"source": "file", "source_path": tmp_path})


def write_vix(folder, *, without=(), bad=None):
    days = pd.bdate_range(FIRST, periods=DAYS, tz="UTC")
    frame = pd.DataFrame({"open_time": days, "close": 15.0 + np.sin(np.arange(DAYS))})
    for day, value in (bad or {}).items():
        frame.loc[frame["open_time"] == day, "close"] = value
    frame[~frame["open_time"].isin(without)].to_parquet(folder / "vix_1d.parquet")


def write_gold(folder, *, without=()):
    """Bars of an hour each; none from Friday 22:00 to Sunday 22:00, none at 22:00."""
    hours = pd.date_range(FIRST, AS_OF, freq="h", tz="UTC", inclusive="left")
    place = hours.day_of_week * 24 + hours.hour
    is_open = (hours.hour != 22) & ((place < 118) | (place > 166))
    frame = pd.DataFrame({"open_time": hours, "close": 2_000.0 + np.arange(len(hours))})
    frame[is_open & ~hours.isin(without)].to_parquet(folder / "gold_gc_1h.parquet")


def read_table(settings, query):
    with transaction(make_engine(settings)) as connection:
        return connection.execute(text(query)).all()


def find(settings, name, as_of):
    windows = find_auxiliary_windows(settings, AUXILIARY[name], as_of=as_of, first=None)
    return [(window.start[:13], window.end[:13], window.reason) for window in windows]


def test_values_are_kept_as_fetched_with_their_source(market, tmp_path):
    write_vix(tmp_path, bad={LOST: -3.0})
    ingest_auxiliary(market, "vix", as_of=AS_OF)
    raw = read_table(
        market,
        "SELECT count(*), min(value), min(venue), count(DISTINCT batch_id) FROM raw_observations",
    )
    assert raw == [(DAYS, -3.0, "file", 1)]
    traced = read_table(
        market,
        "SELECT count(*) FROM observations JOIN raw_observations"
        " USING (batch_id, series, time, known_at, value, venue)",
    )
    assert traced == [(DAYS - 1,)]
    audited = read_table(market, "SELECT symbol, rows, jsonb_array_length(failures) FROM audits")
    assert audited == [("vix", DAYS, 1)]


def test_a_day_in_the_midst_that_comes_late_is_found_and_fetched(market, tmp_path):
    write_vix(tmp_path, without=[LOST])
    ingest_auxiliary(market, "vix", as_of=AS_OF)
    assert read_table(market, "SELECT symbol, open_time, reason FROM outage_hours") == [
        ("vix", LOST, "absent")
    ]
    write_vix(tmp_path)
    later = AS_OF + timedelta(days=7)
    assert find(market, "vix", later)[0] == ("2025-01-17T00", "2025-01-23T01", "1 missing hours")
    assert ingest_auxiliary(market, "vix", as_of=later).changed == 1
    assert read_table(market, "SELECT count(*) FROM outage_hours") == [(0,)]
    assert [reason for *_, reason in find(market, "vix", later)] == ["new hours"]


def test_a_day_the_source_never_had_is_asked_for_ever_more_rarely(market, tmp_path):
    holiday = datetime(2025, 3, 27, tzinfo=UTC)
    write_vix(tmp_path, without=[holiday])
    ingest_auxiliary(market, "vix", as_of=AS_OF)
    waits, now = [], AS_OF
    for _ in range(4):
        (due,) = read_table(market, "SELECT next_ask_at FROM outage_hours")[0]
        waits.append((due - now) / timedelta(hours=1))
        now = due
        reasons = [find(market, "vix", at)[0][2] for at in (now - timedelta(hours=1), now)]
        assert reasons == ["new hours", "1 missing hours"]
        ingest_auxiliary(market, "vix", as_of=now)
    assert waits == [45.0, 90.0, 168.0, 168.0]


def test_weekends_and_the_daily_break_of_gold_do_not_make_requests(market, tmp_path):
    lost = FIRST + timedelta(days=9, hours=5)
    write_gold(tmp_path, without=[lost])
    ingest_auxiliary(market, "gold", as_of=AS_OF)
    hours = read_table(market, "SELECT count(*) FROM outage_hours WHERE symbol = 'gold'")
    assert hours == [(11 * 49 + 12 * 4 + 1,)]
    assert [reason for *_, reason in find(market, "gold", AS_OF + timedelta(hours=1))] == [
        "new hours"
    ]
    write_gold(tmp_path)
    later = AS_OF + timedelta(days=7)
    assert ingest_auxiliary(market, "gold", as_of=later).changed == 1
    assert (lost,) in read_table(market, "SELECT time FROM observations")


def test_yahoo_is_not_asked_for_hours_that_it_has_forgotten(market):
    yahoo, gold = YahooSource(), AUXILIARY["gold"]
    first = yahoo.first_stamp(gold, as_of=AS_OF)
    assert first == AS_OF - timedelta(days=729)
    years = market.model_copy(update={"history_days": 1_000})
    (window,) = find_auxiliary_windows(years, gold, as_of=AS_OF, first=first)
    assert window.start == first.isoformat()
    assert yahoo.first_stamp(AUXILIARY["vix"], as_of=AS_OF) is None


def test_two_runs_at_the_same_time_leave_what_one_leaves(market, tmp_path):
    write_vix(tmp_path, without=[LOST], bad={FIRST: -3.0})
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(ingest_auxiliary, market, "vix", as_of=AS_OF) for _ in range(2)]
    facts = [run.result() for run in runs]
    assert sorted(fact.changed for fact in facts) == [0, DAYS - 2]
    tables = ("observations", "quarantined_observations", "outage_hours")
    counts = [read_table(market, f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    assert counts == [DAYS - 2, 1, 1]


def test_a_refused_value_is_published_when_a_person_says_so_and_only_warned_about_then(
    market, tmp_path
):
    bad = datetime(2025, 3, 25, tzinfo=UTC)  # inside the look-back
    write_vix(tmp_path, bad={bad: -3.0, LOST: np.nan})
    facts = ingest_auxiliary(market, "vix", as_of=AS_OF)
    assert facts.refused_rows == 2
    rows = read_table(
        market, "SELECT batch_id, row_number FROM quarantined_observations ORDER BY row_number"
    )
    batch_id = rows[0].batch_id
    with pytest.raises(CandleDataError, match="has no value"):
        release(market, batch_id, [])
    released = release(market, batch_id, [rows[1].row_number])
    assert (released.symbol, released.open_times) == ("vix", (bad.isoformat(),))
    release(market, batch_id, [rows[1].row_number], by="bob")  # changes nothing
    told = read_table(market, "SELECT released_by, reason FROM releases")
    assert told == [("ada", "negative volatility it was")]
    assert read_table(market, f"SELECT value FROM observations WHERE time = '{bad}'") == [(-3.0,)]
    again = ingest_auxiliary(market, "vix", as_of=AS_OF + timedelta(hours=1))
    require_clean_values(again)
    assert read_table(market, f"SELECT value FROM observations WHERE time = '{bad}'") == [(-3.0,)]
    assert read_table(market, "SELECT symbol, open_time FROM outage_hours") == [("vix", LOST)]


def release(settings, batch_id, rows, *, by="ada"):
    return release_quarantine(
        settings, batch_id, rows, as_of=AS_OF, released_by=by, reason="negative volatility it was"
    )
