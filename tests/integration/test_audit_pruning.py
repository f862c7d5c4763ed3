"""Old audits go from the disk; the newest of each series and those with refused rows stay."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from builders import START, make_candles
from ringside.adapters.audit_pages import write_audit, write_run_page
from ringside.adapters.candle_store import CandleStore, RawBatch
from ringside.adapters.database import make_engine, transaction
from ringside.core.audits import BatchAudit, Finding
from ringside.jobs.ingestion import make_batch_id
from ringside.jobs.pruning import prune_audits
from ringside.jobs.windows import make_window

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
NOW = START + 200 * DAY


def audit(settings, symbol: str, as_of: datetime, *, refused=()) -> str:
    """One audited and published batch of a series, with its files; give its id."""
    candles = make_candles(5, symbol=symbol)
    batch_id = make_batch_id(make_window(symbol, START, START + DAY, ""), as_of=as_of)
    store = CandleStore(make_engine(settings))
    store.write_batch(RawBatch(batch_id, "test", candles))
    _, read_at = store.read_batches([batch_id])
    failures = tuple(Finding(row, None, "planted", "bad") for row in refused)
    done = BatchAudit(batch_id, symbol, "test", 5, False, failures, ())
    store.write_audits([done], as_of=as_of, audited_at=read_at)
    store.publish([batch_id])
    write_audit(settings.audits_dir, done, as_of=as_of, checks=[])
    write_run_page(settings.audits_dir, [done], as_of=as_of)
    return batch_id


def list_files(settings):
    return {path.name for path in settings.audits_dir.iterdir()}


def stamp(instant: datetime) -> str:
    return f"{instant:%Y%m%dT%H%M%S}"


def test_old_audits_go_and_the_newest_and_the_refused_stay(settings):
    settings = settings.model_copy(update={"audit_days": 30})
    audit(settings, "BTC/USDT", START + 10 * DAY)
    refused = audit(settings, "BTC/USDT", START + 11 * DAY, refused=[2])
    newest = audit(settings, "OLD/USDT", START + 12 * DAY)  # a series given up long ago
    young = audit(settings, "BTC/USDT", NOW - 30 * DAY)
    before = list_files(settings)

    facts = prune_audits(settings, as_of=NOW)

    kept = list_files(settings)
    assert facts.removed_files == len(before - kept) == 3
    assert {name.split("_at_")[-1].split(".")[0] for name in before - kept if "_at_" in name} == {
        stamp(START + 10 * DAY)
    }
    for batch_id in (refused, newest, young):
        assert {f"{batch_id}.html", f"{batch_id}.json"} <= kept
    runs = [name for name in kept if name.startswith("run_")]
    assert len(runs) == 3
    assert prune_audits(settings, as_of=NOW).removed_files == 0
    with transaction(make_engine(settings)) as connection:
        assert connection.execute(text("SELECT count(*) FROM audits")).scalar_one() == 4


def test_what_is_no_audit_is_left_alone(settings):
    settings.audits_dir.mkdir(parents=True)
    for name in ("notes.html", ".draft_at_20200101T000000.html.7", "run_20200101T000000_ab.txt"):
        (settings.audits_dir / name).write_text("mine")
    assert prune_audits(settings, as_of=NOW).removed_files == 0


def test_without_a_folder_there_is_nothing_to_do(settings):
    assert prune_audits(settings, as_of=NOW).removed_files == 0
