"""Derives a stored verdict again from the ledger's rows, and holds it against its docket."""

import logging
from dataclasses import dataclass
from datetime import datetime

from ringside.adapters.database import make_engine
from ringside.adapters.docket_files import Docket, DocketFiles, find_code_id
from ringside.adapters.title_store import TitleStore
from ringside.core.gate.docket import Replayed, replay
from ringside.core.titles import Title
from ringside.errors import LedgerError, TitleError
from ringside.jobs.records import read_record
from ringside.settings import Settings

SHOWN_ROWS = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplayFacts:
    """A verdict that was derived again; `is_same_code` is False where newer code did it."""

    verdict_id: int
    rows: int
    is_same_code: bool


def replay_verdict(settings: Settings, verdict_id: int) -> ReplayFacts:
    """Derive a verdict again; it must match its docket to the last bit.

    Other code than that which decided may come to the same verdict; it is told and is no failure.

    Raises:
        TitleError: there is no such verdict, or it has no docket.
        LedgerError: the docket was altered, or a ledger row is not what it was; the message names
            the first rows.
    """
    stored = TitleStore(make_engine(settings)).read_verdict(verdict_id)
    if stored.docket is None or stored.docket_sha256 is None:
        raise TitleError(f"verdict {verdict_id} ({stored.origin}) rests on no docket")
    bundle = DocketFiles(settings.dockets_dir).read(Docket(stored.docket, stored.docket_sha256))
    record = read_record(
        settings,
        Title(stored.symbol, stored.horizon),
        as_of=datetime.fromisoformat(bundle["title"]["as_of"]),
        entrants=bundle["title"]["entrants"],
    )
    found = replay(bundle, record, code_id=find_code_id())
    _require_same_rows(found, verdict_id)
    parts = [part for part in found.differences if part != "code_id"]
    if parts:
        raise LedgerError(
            f"verdict {verdict_id} does not match in {', '.join(parts)}, though every row does; "
            f"it was decided by the code {bundle['code_id']}",
            verdict_id=verdict_id,
        )
    rows = sum(map(len, bundle["rows"].values()))
    is_same_code = "code_id" not in found.differences
    _log.info("verdict=%d matches rows=%d same_code=%s", verdict_id, rows, is_same_code)
    return ReplayFacts(verdict_id, rows, is_same_code)


def _require_same_rows(found: Replayed, verdict_id: int) -> None:
    for what, keys in (
        ("changed", found.changed),
        ("missing", found.missing),
        ("put in", found.added),
    ):
        if keys:
            named = ", ".join(keys[:SHOWN_ROWS])
            raise LedgerError(
                f"verdict {verdict_id} does not match: {len(keys)} ledger rows were {what}: "
                f"{named}",
                verdict_id=verdict_id,
            )
