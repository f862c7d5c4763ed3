"""Any task of ingestion run twice, or two at the same time, leaves the same rows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from ringside.adapters import data_checks
from ringside.adapters.database import make_engine, transaction
from ringside.core.audits import BatchAudit, Finding
from ringside.jobs.ingestion import audit_batches, fetch_window, publish_batches
from ringside.jobs.windows import Window, find_windows

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
TABLES = ("candles", "raw_candles", "quarantined_candles", "outage_hours", "fetches", "audits")
MOMENTS = {"ingested_at", "published_at", "audited_at", "quarantined_at"}

how = st.sampled_from(["once", "twice", "at the same time"])


def audit_rows(batches, **_):
    """Refuse the third row of each batch, without the seconds of Great Expectations."""
    finding = Finding(2, None, "planted", "planted")
    return [
        BatchAudit(b.batch_id, b.candles.symbol, b.venue, len(b.candles), False, (finding,), ())
        for b in batches
    ]


def run(task, how):
    if how == "at the same time":
        with ThreadPoolExecutor(2) as pool:
            first, _ = pool.map(lambda _: task(), range(2))
            return first
    for _ in range(1 if how == "once" else 2):
        answer = task()
    return answer


def ingest(settings, as_of, hows):
    found = run(lambda: find_windows(settings, as_of=as_of), hows[0])
    ids = []
    for window in [Window(**asdict(window)) for window in found]:
        facts = run(lambda asked=window: fetch_window(settings, asked, as_of=as_of), hows[1])
        ids.append(facts.batch_id)
    run(lambda: audit_batches(settings, ids, as_of=as_of), hows[2])
    run(lambda: publish_batches(settings, ids, as_of=as_of), hows[3])


def read_all(settings):
    """Read every table without the moments at which rows were written."""
    rows = {}
    with transaction(make_engine(settings)) as connection:
        for table in TABLES:
            found = connection.execute(text(f"SELECT * FROM {table}")).mappings()
            rows[table] = sorted(
                str({name: value for name, value in row.items() if name not in MOMENTS})
                for row in found
            )
    return rows


def empty(settings):
    with transaction(make_engine(settings)) as connection:
        connection.execute(text(f"TRUNCATE {', '.join(TABLES)}"))


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 30), st.tuples(how, how, how, how)), min_size=1, max_size=3
    )
)
def test_any_task_run_twice_or_two_at_once_leaves_the_same_rows(settings, monkeypatch, steps):
    monkeypatch.setattr(data_checks, "audit_rows", audit_rows)
    series = settings.model_copy(update={"source": "simulated", "history_days": 30})
    outcomes = []
    for is_plain in (True, False):
        empty(series)
        as_of = AS_OF
        for hours, hows in steps:
            as_of += hours * HOUR
            ingest(series, as_of, ["once"] * 4 if is_plain else hows)
        outcomes.append(read_all(series))
    assert outcomes[0]["candles"]
    assert outcomes[1] == outcomes[0]
