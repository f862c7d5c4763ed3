"""Recorded answers of real exchanges, read in place: RECORDED_ANSWERS names their folder.

The recordings are not part of this project; without the folder none of their tests is collected.
"""

import gzip
import json
import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("RECORDED_ANSWERS")
_OF_ANSWERS = ["test_binance_form.py", "test_other_venues.py", "test_reactions.py"]
collect_ignore = [] if FOLDER else _OF_ANSWERS


@pytest.fixture(scope="session")
def recorded():
    """Read a recording by its path in the folder; JSON is parsed, gzip unpacked."""

    def read(name):
        path = Path(FOLDER) / name
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return json.loads(text) if ".json" in path.name else text.decode()

    return read
