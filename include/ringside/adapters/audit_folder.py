"""The folder of audit files: which of them are old enough to go."""

import re
from collections.abc import Set
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from ringside.adapters.database import read_query, transaction

_NAME = re.compile(r"(?P<batch>.+_at|run)_(?P<as_of>\d{8}T\d{6})(_[0-9a-f]+)?\.(html|json)")


def read_lasting_audits(engine: Engine) -> frozenset[str]:
    """Read the ids of batches whose audit lasts: the newest of each series, and refused ones."""
    with transaction(engine) as connection:
        return frozenset(connection.execute(read_query("find_lasting_audits")).scalars())


def find_old_files(folder: Path, *, before: datetime, lasting: Set[str]) -> list[Path]:
    """Find files of audits made for an instant before `before`, but those of `lasting` batches.

    The page of a run stays as long as one of its batches; a name that is no audit's is left alone.
    """
    if not folder.is_dir():
        return []
    lasting_runs = {batch_id.rpartition("_at_")[2] for batch_id in lasting}
    old = []
    for path in sorted(folder.iterdir()):
        found = _NAME.fullmatch(path.name)
        if found is None:
            continue
        as_of = datetime.strptime(found["as_of"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        stays = found["as_of"] in lasting_runs if found["batch"] == "run" else path.stem in lasting
        if as_of < before and not stays:
            old.append(path)
    return old
