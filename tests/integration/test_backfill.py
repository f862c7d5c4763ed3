"""Back-fill on real PostgreSQL: progress, bounds, and what a kill at any point leaves."""

import logging
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from ringside.adapters import data_checks
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine, transaction
from ringside.core.audits import BatchAudit
from ringside.core.market_simulation import simulate_market
from ringside.errors import SettingsError
from ringside.jobs.backfill import backfill_candles

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
SPAN_START = datetime(2023, 1, 1, tzinfo=UTC)
AS_OF = SPAN_START + timedelta(days=60)
CHUNK = 240


def pass_all(batches, **_):
    """Let every row pass: the audit has tests of its own and takes most of the time."""
    return [
        BatchAudit(b.batch_id, b.candles.symbol, b.venue, len(b.candles), False, (), ())
        for b in batches
    ]


@pytest.fixture
def series(settings):
    return settings.model_copy(update={"source": "simulated"})


@pytest.fixture(autouse=True)
def quick_audit(monkeypatch):
    monkeypatch.setattr(data_checks, "audit_rows", pass_all)


def load(series):
    return backfill_candles(series, "BTC/USDT", as_of=AS_OF, start=SPAN_START, chunk_hours=CHUNK)


def read_table(series):
    with transaction(make_engine(series)) as connection:
        query = (
            "SELECT symbol, open_time, open, high, low, close, volume, venue, batch_id FROM candles"
        )
        return connection.execute(text(f"{query} ORDER BY open_time")).all()


def forget(series, since):
    """Make work for the next try: the candles from here on were never loaded."""
    with transaction(make_engine(series)) as connection:
        connection.execute(text("DELETE FROM candles WHERE open_time >= :since"), {"since": since})
        connection.execute(text("TRUNCATE raw_candles, audits, fetches"))


def test_it_loads_the_span_and_tells_how_far_it_is(series, caplog):
    with caplog.at_level(logging.INFO):
        facts = load(series)
    true = simulate_market(7, "BTC/USDT").show(SPAN_START, AS_OF, AS_OF)
    published = CandleStore(make_engine(series)).read_candles("BTC/USDT", as_of=AS_OF)
    np.testing.assert_array_equal(published.open_time, true.open_time)
    np.testing.assert_array_equal(published.close, true.close)
    assert facts.published == len(true)
    told = [line for line in caplog.messages if line.startswith("chunk ")]
    assert (len(told), told[-1].split(":")[0][:20]) == (6, "chunk 6/6 (100%) fro")


def test_a_second_time_asks_for_nothing_that_is_settled(series):
    load(series)
    facts = load(series)
    assert (facts.batch_ids, facts.skipped_hours) == ((), 60 * 24)


CHILD = """
import sys, test_backfill
from ringside.settings import Settings
from ringside.adapters import audit_suites, data_checks, release_store, sources
data_checks.audit_rows = test_backfill.pass_all
sys.stdout.write("ready\\n"); sys.stdout.flush()
test_backfill.load(Settings())
"""


def test_killed_at_a_random_point_20_times_it_ends_with_the_same_table(series):
    load(series)
    undisturbed = read_table(series)
    forget(series, SPAN_START)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        "RINGSIDE_DATABASE_URL": series.database_url.get_secret_value(),
        "RINGSIDE_STATE_DIR": str(series.state_dir),
    }
    rng = random.Random(4)  # noqa: S311  # only picks the moments of the kills
    kills = 0
    while kills < 20:
        command = [sys.executable, "-c", CHILD]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"ready\n"
            try:
                child.wait(rng.uniform(0, 1.2))
            except subprocess.TimeoutExpired:
                child.kill()
        if child.returncode == -signal.SIGKILL:
            kills += 1
        else:
            assert child.returncode == 0
            forget(series, SPAN_START + rng.randrange(50 * 24) * HOUR)
    load(series)
    assert read_table(series) == undisturbed


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"symbol": "ABC/USDT"}, "none of the series"),
        ({"start": SPAN_START.replace(tzinfo=None)}, "has no time zone"),
        ({"end": AS_OF + 2 * HOUR}, "ends in the future"),
        ({"start": AS_OF - HOUR, "end": AS_OF - 2 * HOUR}, "the window is empty"),
    ],
)
def test_a_window_that_cannot_be_is_refused_before_anything_is_written(series, changes, told):
    asked = {"symbol": "BTC/USDT", "start": SPAN_START, "end": None, **changes}
    with pytest.raises(SettingsError, match=told):
        backfill_candles(series, asked.pop("symbol"), as_of=AS_OF, **asked)
    with transaction(make_engine(series)) as connection:
        assert connection.execute(text("SELECT * FROM fetches")).all() == []
