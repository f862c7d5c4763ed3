import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import text

from builders import START, make_candles, write_candle_file
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine, transaction
from ringside.errors import (
    AuditFailedError,
    CandleDataError,
    SettingsError,
    SourceUnavailableError,
)
from ringside.jobs.ingestion import audit_batches, fetch_window, publish_batches, require_clean
from ringside.jobs.releasing import release_quarantine
from ringside.jobs.windows import Window, find_windows

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAYS = 40
END = START + timedelta(days=DAYS)
AS_OF = END - timedelta(days=2) + timedelta(seconds=20)
OPEN_END = AS_OF.replace(second=0)


@pytest.fixture
def market(settings, tmp_path):
    """Settings of a file source with 40 days of one series; `AS_OF` is two days before its end."""
    write_candle_file(make_candles(DAYS * 24), tmp_path)
    changes = {"source": "file", "source_path": tmp_path, "history_days": 30}
    return settings.model_copy(update=changes)


def ingest(settings, *, as_of=AS_OF, **bounds):
    """Run the four steps as the DAG does; facts pass between them as JSON."""
    windows = find_windows(settings, as_of=as_of, **bounds)
    sent = json.loads(json.dumps([asdict(window) for window in windows]))
    fetched = [fetch_window(settings, Window(**window), as_of=as_of) for window in sent]
    ids = [facts.batch_id for facts in fetched]
    audited = audit_batches(settings, ids, as_of=as_of)
    published = publish_batches(settings, ids, as_of=as_of)
    json.dumps([asdict(audited), asdict(published)])
    return SimpleNamespace(
        windows=windows, fetched=fetched, ids=ids, audited=audited, published=published
    )


def read_table(settings, query):
    with transaction(make_engine(settings)) as connection:
        return connection.execute(text(query)).all()


def change_source(settings, row, **values):
    """Write the source file again with other values in the candle that opens `row` hours in."""
    candles = make_candles(DAYS * 24)
    for name, value in values.items():
        getattr(candles, name)[row] = value
    write_candle_file(candles, settings.source_path)


def hours_in(instant):
    return int((instant - START) / HOUR)


def test_the_first_run_publishes_the_history_up_to_the_last_closed_candle(market):
    run = ingest(market)
    start = OPEN_END - timedelta(days=30)
    assert [(w.start, w.end) for w in run.windows] == [(start.isoformat(), OPEN_END.isoformat())]
    (series,) = run.published.series
    assert (series.published, series.quarantined) == (720, 0)
    assert series.last_open_time == (OPEN_END - HOUR).isoformat()
    candles = CandleStore(make_engine(market)).read_candles("BTC/USDT", as_of=AS_OF)
    expected = make_candles(DAYS * 24).take(slice(hours_in(start), hours_in(OPEN_END)))
    np.testing.assert_array_equal(candles.open_time, expected.open_time)
    np.testing.assert_array_equal(candles.close, expected.close)
    require_clean(market, run.ids)


def test_the_next_hour_asks_for_new_hours_and_a_few_before_them(market):
    ingest(market)
    run = ingest(market, as_of=AS_OF + HOUR)
    assert run.windows[0].start == (OPEN_END - 3 * HOUR).isoformat()
    (series,) = run.published.series
    assert (series.published, series.revised, series.unchanged) == (1, 0, 3)


def test_ingesting_twice_leaves_the_same_candles(market):
    ingest(market)
    before = read_table(market, "SELECT * FROM candles ORDER BY open_time")
    again = ingest(market, start=OPEN_END - timedelta(days=30))
    assert again.published.series[0].unchanged == 720
    assert read_table(market, "SELECT * FROM candles ORDER BY open_time") == before


def test_a_revised_candle_is_published_again(market):
    ingest(market)
    row = hours_in(OPEN_END) - 2
    change_source(market, row, volume=12345.678)
    (series,) = ingest(market, as_of=AS_OF + HOUR).published.series
    assert (series.published, series.revised, series.unchanged) == (1, 1, 2)
    volumes = read_table(market, "SELECT max(volume)::text FROM candles")
    assert volumes == [("12345.678",)]


def test_a_late_revision_days_back_is_seen_after_midnight(market):
    ingest(market)
    change_source(market, hours_in(OPEN_END - timedelta(days=5)), volume=12345.678)
    midnight = (OPEN_END + timedelta(days=1)).replace(hour=0)
    revised = [
        ingest(market, as_of=moment).published.series[0].revised
        for moment in (midnight - HOUR, midnight)
    ]
    assert revised == [0, 1]


def test_a_forming_candle_is_dropped_before_it_is_written(market, monkeypatch):
    candles = make_candles(5)

    class Live:
        venue = "live"

        def fetch(self, symbol, start, end, as_of):
            return candles

    monkeypatch.setattr("ringside.adapters.sources.make_sources", lambda *_: (Live(),))
    as_of = START + 4 * HOUR + timedelta(minutes=59)
    window = Window("BTC/USDT", START.isoformat(), (START + 5 * HOUR).isoformat(), "test")
    assert fetch_window(market, window, as_of=as_of).rows == 4
    last = read_table(market, "SELECT max(open_time) FROM raw_candles")
    assert last == [(START + 3 * HOUR,)]


def test_a_bad_row_waits_in_quarantine_and_the_run_fails_loudly(market):
    bad = OPEN_END - 9 * HOUR
    change_source(market, hours_in(bad), high=1.0)
    run = ingest(market)
    (series,) = run.published.series
    assert (series.published, series.quarantined) == (719, 1)
    assert read_table(market, "SELECT open_time FROM quarantined_candles") == [(bad,)]
    assert read_table(market, f"SELECT * FROM candles WHERE open_time = '{bad}'") == []
    page = run.audited.batches[0].page
    with pytest.raises(AuditFailedError, match="high 1 is below low") as caught:
        require_clean(market, run.ids)
    assert f"BTC/USDT at {bad.isoformat()}" in str(caught.value)
    assert page in str(caught.value)


def test_a_repaired_row_is_asked_for_again_and_published(market):
    bad = OPEN_END - 9 * HOUR
    change_source(market, hours_in(bad), close=np.nan)
    ingest(market)
    write_candle_file(make_candles(DAYS * 24), market.source_path)
    run = ingest(market, as_of=AS_OF + 8 * HOUR)
    assert run.windows[0].start == (bad - HOUR).isoformat()
    assert sum(series.published for series in run.published.series) == 9
    require_clean(market, run.ids)


def test_what_the_source_never_had_is_recorded_and_asked_for_ever_more_rarely(market):
    gap = OPEN_END - 9 * HOUR
    candles = make_candles(DAYS * 24)
    rows = np.arange(DAYS * 24)
    write_candle_file(candles.take(rows != hours_in(gap)), market.source_path)
    asked = []
    for hours in range(40):
        run = ingest(market, as_of=AS_OF + hours * HOUR)
        if any(w.start <= gap.isoformat() < w.end for w in run.windows):
            asked.append(hours)
    # Each wait is as long as the hour is old: 8 hours at first, then twice that, then twice again.
    assert asked == [0, 8, 24]
    query = "SELECT open_time, venue, reason, last_asked_at FROM outage_hours"
    assert read_table(market, query) == [(gap, "file", "absent", AS_OF + 24 * HOUR)]


def test_an_outage_hour_that_the_source_has_after_all_is_published_and_struck_off(market):
    gap = OPEN_END - 9 * HOUR
    candles = make_candles(DAYS * 24)
    write_candle_file(candles.take(np.arange(DAYS * 24) != hours_in(gap)), market.source_path)
    ingest(market)
    write_candle_file(candles, market.source_path)
    ingest(market, as_of=AS_OF + 8 * HOUR)
    assert read_table(market, "SELECT * FROM outage_hours") == []
    assert len(read_table(market, f"SELECT * FROM candles WHERE open_time = '{gap}'")) == 1


def test_gaps_anywhere_in_the_history_are_found_and_healed(market):
    ingest(market)
    with transaction(make_engine(market)) as connection:
        lost = "open_time IN (:a, :b, :c)"
        values = {
            "a": OPEN_END - 700 * HOUR,
            "b": OPEN_END - 699 * HOUR,
            "c": OPEN_END - 300 * HOUR,
        }
        connection.execute(text(f"DELETE FROM candles WHERE {lost}"), values)
    run = ingest(market, as_of=AS_OF + HOUR)
    spans = [(w.start, w.end, w.reason) for w in run.windows]
    assert spans == [
        (
            (OPEN_END - 701 * HOUR).isoformat(),
            (OPEN_END - 697 * HOUR).isoformat(),
            "2 missing hours",
        ),
        (
            (OPEN_END - 301 * HOUR).isoformat(),
            (OPEN_END - 298 * HOUR).isoformat(),
            "1 missing hours",
        ),
        ((OPEN_END - 3 * HOUR).isoformat(), (OPEN_END + HOUR).isoformat(), "new hours"),
    ]
    assert sum(series.published for series in run.published.series) == 4


def test_two_runs_at_the_same_time_leave_each_candle_once(market):
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: ingest(market), range(2)))
    counts = [run.published.series[0] for run in runs]
    assert sum(series.published for series in counts) == 720
    assert len(read_table(market, "SELECT * FROM candles")) == 720


def test_an_as_of_of_the_past_sees_nothing_that_came_later(market):
    ingest(market)
    past = AS_OF - timedelta(days=5, hours=2)
    (window,) = find_windows(market, as_of=past)
    assert window.end == past.replace(second=0).isoformat()
    assert window.start == (past.replace(second=0) - 3 * HOUR).isoformat()


def test_no_window_is_left_when_all_is_there_and_no_revisions_are_wanted(market):
    ingest(market)
    unwanted = market.model_copy(update={"revision_hours": 0, "revision_days": 0})
    assert find_windows(unwanted, as_of=AS_OF) == []


def test_a_source_with_nothing_new_is_no_failure(market):
    late = END + timedelta(days=40)
    run = ingest(market, as_of=late, start=END + timedelta(days=1))
    assert run.fetched[0].rows == 0
    assert (run.audited.batches, run.published.series) == ((), ())
    require_clean(market, run.ids)


def test_a_source_that_is_down_leaves_the_store_as_it_was(market, monkeypatch):
    class Down:
        venue = "down"

        def fetch(self, symbol, start, end, as_of):
            raise SourceUnavailableError("down does not answer")

    monkeypatch.setattr("ringside.adapters.sources.make_sources", lambda *_: (Down(),))
    with pytest.raises(SourceUnavailableError):
        ingest(market)
    assert read_table(market, "SELECT * FROM raw_candles") == []


def test_a_released_row_is_published_with_who_and_why_and_not_refused_again(market):
    bad = OPEN_END - 2 * HOUR
    change_source(market, hours_in(bad), high=1.0)
    run = ingest(market)
    ((number,),) = read_table(market, "SELECT row_number FROM quarantined_candles")
    told = {"as_of": AS_OF, "released_by": "ada", "reason": "it is true"}
    for _ in range(2):
        facts = release_quarantine(market, run.ids[0], [number], **told)
    assert facts.open_times == (bad.isoformat(),)
    query = f"SELECT high::float FROM candles WHERE open_time = '{bad}'"
    assert read_table(market, query) == [(1.0,)]
    recorded = read_table(market, "SELECT released_by, reason FROM releases")
    assert recorded == [("ada", "it is true")]
    later = ingest(market, as_of=AS_OF + HOUR)
    require_clean(market, later.ids)
    assert read_table(market, query) == [(1.0,)]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"row_numbers": [3]}, CandleDataError),
        ({"batch_id": "none"}, CandleDataError),
        ({"reason": " "}, SettingsError),
    ],
)
def test_a_release_that_cannot_be_changes_nothing(market, changes, error):
    change_source(market, hours_in(OPEN_END - 2 * HOUR), close=np.nan)
    run = ingest(market)
    asked = {"batch_id": run.ids[0], "row_numbers": [], "reason": "why", **changes}
    with pytest.raises(error):
        release_quarantine(market, **asked, as_of=AS_OF, released_by="ada")
    assert read_table(market, "SELECT * FROM releases") == []
