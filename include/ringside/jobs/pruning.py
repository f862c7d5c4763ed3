"""Removes the files of old audits, so that a platform that runs for years keeps its disk."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringside.adapters.audit_folder import find_old_files, read_lasting_audits
from ringside.adapters.database import make_engine
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PruneFacts:
    """What was removed: files, and their size in MiB."""

    removed_files: int
    removed_mib: float


def prune_audits(settings: Settings, *, as_of: datetime) -> PruneFacts:
    """Remove pages and results of audits older than `audit_days` at `as_of`.

    The newest audit of each series stays, and so do those of batches with rows in quarantine, and
    the pages of their runs. Running it again removes nothing more.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer; nothing was removed.
    """
    before = as_of - timedelta(days=settings.audit_days)
    _log.info("pruning audits before=%s as_of=%s", before.isoformat(), as_of.isoformat())
    lasting = read_lasting_audits(make_engine(settings))
    size = 0
    old = find_old_files(settings.audits_dir, before=before, lasting=lasting)
    for path in old:
        size += path.stat().st_size
        path.unlink()
    facts = PruneFacts(len(old), round(size / 2**20, 3))
    _log.info("pruned files=%s mib=%s", facts.removed_files, facts.removed_mib)
    return facts
