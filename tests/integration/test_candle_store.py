import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import text

from builders import START, make_candles
from ringside.adapters.audit_suites import VALUES
from ringside.adapters.candle_store import CandleStore, RawBatch
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.publishing import Asked, PublishedBatch
from ringside.core.audits import BatchAudit, Finding
from ringside.core.candles import Candles
from ringside.errors import AuditFailedError, StoreUnavailableError

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
LATER = START + timedelta(days=365)


@pytest.fixture
def engine(settings):
    return make_engine(settings)


@pytest.fixture
def store(engine):
    return CandleStore(engine)


def write_audited(
    store, candles, batch_id="a", *, refused=(), is_refused=False, as_of=LATER, venue="test",
    hours=10, venues=("test",),
):  # fmt: skip
    """Write a batch raw, with an audit that refuses the rows named."""
    asked = Asked(START, START + hours * HOUR, as_of, venues)
    store.write_batch(RawBatch(batch_id, venue, candles), asked)
    _, read_at = store.read_batches([batch_id])
    failures = tuple(Finding(row, None, "planted", f"row {row} is bad") for row in refused)
    if is_refused:
        failures = (*failures, Finding(None, None, "planted", "all is bad"))
    audit = BatchAudit(
        batch_id, candles.symbol, venue, len(candles), is_refused, failures, warnings=()
    )
    store.write_audits([audit], as_of=as_of, audited_at=read_at)


def publish(store, candles, batch_id="a", **options):
    write_audited(store, candles, batch_id, **options)
    return store.publish([batch_id])[0]


def read_table(engine, query):
    with transaction(engine) as connection:
        return connection.execute(text(query)).all()


def assert_same(left: Candles, right: Candles):
    assert left.symbol == right.symbol
    for name in ("open_time", *VALUES):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def drop(candles, *rows):
    return candles.take(~np.isin(np.arange(len(candles)), rows))


def test_raw_rows_come_back_as_fetched_nulls_and_repeats_and_disorder_too(store):
    candles = make_candles(5).take(np.array([3, 0, 0, 4, 1]))
    candles.close[2] = np.nan
    candles.volume[1] = np.inf
    store.write_batch(RawBatch("a", "test", candles))
    (batch,), _ = store.read_batches(["a", "never written"])
    assert (batch.batch_id, batch.venue) == ("a", "test")
    assert_same(batch.candles, candles)


def test_a_batch_written_again_replaces_itself_whole(store):
    store.write_batch(RawBatch("a", "test", make_candles(5)))
    store.write_batch(RawBatch("a", "test", make_candles(3, seed=1)))
    (batch,), _ = store.read_batches(["a"])
    assert_same(batch.candles, make_candles(3, seed=1))


def test_published_prices_are_the_shortest_decimals_of_what_was_fetched(store, engine):
    candles = make_candles(50, first_price=0.1)
    publish(store, candles)
    stored = read_table(engine, "SELECT close::text FROM candles ORDER BY open_time")
    assert [row.close for row in stored] == [repr(float(value)) for value in candles.close]
    assert_same(store.read_candles("BTC/USDT", as_of=LATER), candles)


@pytest.mark.parametrize(
    ("after_open", "seen"), [(timedelta(minutes=59, seconds=59), 4), (HOUR, 5)]
)
def test_only_candles_closed_at_as_of_are_read(store, after_open, seen):
    candles = make_candles(10)
    publish(store, candles)
    as_of = START + 4 * HOUR + after_open
    assert_same(store.read_candles("BTC/USDT", as_of=as_of), candles.take(slice(seen)))
    assert store.read_last_open_time("BTC/USDT", as_of=as_of) == START + (seen - 1) * HOUR


def test_the_last_candles_or_those_from_a_start_are_read_oldest_first(store):
    candles = make_candles(10)
    publish(store, candles)
    assert_same(store.read_candles("BTC/USDT", as_of=LATER, count=3), candles.take(slice(7, 10)))
    late = store.read_candles("BTC/USDT", as_of=LATER, start=START + 8 * HOUR)
    assert_same(late, candles.take(slice(8, 10)))


def test_a_series_without_candles_is_empty(store):
    assert len(store.read_candles("ETH/USDT", as_of=LATER)) == 0
    assert store.read_last_open_time("ETH/USDT", as_of=LATER) is None


def test_refused_rows_are_quarantined_with_reasons_and_the_others_published(store, engine):
    candles = make_candles(5)
    counts = publish(store, candles, refused=[1, 1, 3])
    assert counts == PublishedBatch("a", "BTC/USDT", 3, 0, 0, 2)
    assert_same(store.read_candles("BTC/USDT", as_of=LATER), drop(candles, 1, 3))
    bad = {"expectation": "planted", "reason": "row 1 is bad"}
    query = "SELECT row_number, reasons FROM quarantined_candles ORDER BY row_number"
    rows = read_table(engine, query)
    assert [row.row_number for row in rows] == [1, 3]
    assert rows[0].reasons == [bad, bad]


def test_nothing_of_a_refused_batch_is_published(store, engine):
    counts = publish(store, make_candles(4), refused=[2], is_refused=True)
    assert counts == PublishedBatch("a", "BTC/USDT", 0, 0, 0, 4)
    reasons = read_table(engine, "SELECT reasons FROM quarantined_candles ORDER BY row_number")
    told = [[finding["reason"] for finding in row.reasons] for row in reasons]
    assert told == [["all is bad"], ["all is bad"], ["row 2 is bad", "all is bad"], ["all is bad"]]


def test_publishing_twice_leaves_the_same_rows(store, engine):
    publish(store, make_candles(5), refused=[1])
    tables = [f"SELECT * FROM {name} ORDER BY 1, 2" for name in ("candles", "quarantined_candles")]
    before = [read_table(engine, query) for query in tables]
    assert store.publish(["a"]) == [PublishedBatch("a", "BTC/USDT", 0, 0, 4, 1)]
    assert [read_table(engine, query) for query in tables] == before


def test_only_a_candle_whose_value_differs_is_revised(store, engine):
    candles = make_candles(5)
    publish(store, candles)
    revised = replace(candles, close=candles.close + np.array([0, 0, 0.01, 0, 0]))
    assert publish(store, revised, "b") == PublishedBatch("b", "BTC/USDT", 0, 1, 4, 0)
    assert_same(store.read_candles("BTC/USDT", as_of=LATER), revised)
    batches = read_table(engine, "SELECT batch_id FROM candles ORDER BY open_time")
    assert [row.batch_id for row in batches] == ["a", "a", "b", "a", "a"]


def test_a_batch_that_comes_late_does_not_undo_a_newer_one(store):
    old, new = make_candles(5), make_candles(5, seed=1)
    write_audited(store, old, "old")
    publish(store, new, "new")
    assert store.publish(["old"]) == [PublishedBatch("old", "BTC/USDT", 0, 0, 5, 0)]
    assert_same(store.read_candles("BTC/USDT", as_of=LATER), new)


def test_batches_are_published_all_or_none(store, engine):
    write_audited(store, make_candles(5), "a")
    store.write_batch(RawBatch("unseen", "test", make_candles(5, symbol="ETH/USDT")))
    with pytest.raises(AuditFailedError, match="batch unseen was not audited"):
        store.publish(["a", "unseen"])
    assert read_table(engine, "SELECT * FROM candles") == []


def test_rows_fetched_again_need_a_new_audit(store):
    write_audited(store, make_candles(5))
    store.write_batch(RawBatch("a", "test", make_candles(5, seed=1)))
    with pytest.raises(AuditFailedError, match="audited since"):
        store.publish(["a"])


def test_two_runs_that_publish_the_same_hours_leave_each_once(store, engine):
    symbols = ("BTC/USDT", "ETH/USDT")
    ids = [[f"{run}{i}" for i in range(2)] for run in "ab"]
    for run in ids:
        for batch_id, symbol in zip(run, symbols, strict=True):
            write_audited(store, make_candles(500, symbol=symbol), batch_id)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(store.publish, [ids[0], ids[1][::-1]]))
    assert sum(batch.published for run in done for batch in run) == 1000
    assert len(read_table(engine, "SELECT * FROM candles")) == 1000


def end_waiting_connection(engine):
    """End the connection that waits for a lock, as a lost network or a killed job does."""
    deadline = time.monotonic() + 10
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while not read_table(engine, query):
        assert time.monotonic() < deadline, "publishing never came to the locked table"
        time.sleep(0.02)


def test_a_connection_lost_while_publishing_leaves_nothing_and_a_rerun_heals(store, engine):
    write_audited(store, make_candles(5), refused=[1])
    with ThreadPoolExecutor(1) as pool, transaction(engine) as other:
        other.execute(text("LOCK TABLE candles IN EXCLUSIVE MODE"))
        published = pool.submit(store.publish, ["a"])
        end_waiting_connection(engine)
        with pytest.raises(StoreUnavailableError):
            published.result(timeout=10)
    assert read_table(engine, "SELECT symbol FROM quarantined_candles") == []
    assert read_table(engine, "SELECT symbol FROM candles") == []
    assert store.publish(["a"]) == [PublishedBatch("a", "BTC/USDT", 4, 0, 0, 1)]


GAP = START + 5 * HOUR


@pytest.mark.parametrize(("later_h", "missing"), [(3, []), (4, [GAP])])
def test_an_hour_the_source_lacks_has_its_turn_when_it_is_twice_as_old(store, later_h, missing):
    publish(store, drop(make_candles(10), 5), as_of=START + 10 * HOUR)
    as_of = START + (10 + later_h) * HOUR
    assert store.find_missing_hours("BTC/USDT", as_of=as_of) == missing


def test_an_answer_that_ends_before_the_gap_proves_nothing(store):
    publish(store, make_candles(10).take(slice(6, 10)))
    publish(store, make_candles(10).take(slice(0, 4)), "b", as_of=START + 10 * HOUR)
    assert store.find_missing_hours("BTC/USDT", as_of=START + 11 * HOUR) == [GAP - HOUR, GAP]


def test_an_empty_answer_is_recorded_as_asked(store, engine):
    publish(store, drop(make_candles(10), 5), as_of=START + 10 * HOUR)
    asked = Asked(GAP, GAP + HOUR, START + 14 * HOUR, ("test",))
    store.write_batch(RawBatch("empty", "test", make_candles(1).take(slice(0, 0))), asked)
    assert store.publish(["empty"]) == []
    recorded = read_table(engine, "SELECT open_time, last_asked_at FROM outage_hours")
    assert recorded == [(GAP, START + 14 * HOUR)]


def test_a_fallback_fills_hours_and_the_authority_takes_them_back(store, engine):
    both = ("main", "other")
    whole = make_candles(10)
    publish(store, whole.take(slice(0, 5)), "a", venue="main", venues=both)
    foreign = replace(whole, close=whole.close * 0.999)
    counts = publish(store, foreign, "b", venue="other", venues=both)
    assert (counts.published, counts.revised) == (5, 0)
    counts = publish(store, whole, "c", venue="main", venues=both)
    assert (counts.published, counts.revised) == (0, 5)
    assert read_table(engine, "SELECT DISTINCT venue FROM candles") == [("main",)]
    assert_same(store.read_candles("BTC/USDT", as_of=LATER), whole)


def test_an_hour_the_source_had_but_that_is_gone_counts_as_missing(store, engine):
    publish(store, make_candles(10))
    with transaction(engine) as connection:
        connection.execute(text("DELETE FROM candles WHERE open_time = :gap"), {"gap": GAP})
    assert store.find_missing_hours("BTC/USDT", start=START, as_of=LATER) == [GAP]


def test_an_hour_that_only_came_damaged_is_recorded_as_refused(store, engine):
    publish(store, make_candles(10), refused=[5])
    assert store.find_missing_hours("BTC/USDT", as_of=LATER) == []
    assert read_table(engine, "SELECT open_time, reason FROM outage_hours") == [(GAP, "refused")]


def test_hours_before_the_first_and_after_the_last_candle_are_not_missing(store):
    publish(store, make_candles(10), as_of=START)
    assert store.find_missing_hours("BTC/USDT", start=START - 9 * HOUR, as_of=LATER) == []
