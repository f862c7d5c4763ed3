"""The shifts of an hour that may not be on the record yet: the same as its issue will find."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from ringside.adapters.score_store import Key, ScoreStore
from ringside.core.calibration import FEEDBACK_ROWS, find_shifts
from ringside.core.candles import Floats
from ringside.core.scores import Score, score_forecasts, to_hits

FRESH = timedelta(days=2)
"""Targets this young are scored before anything is issued, so that calibration knows them."""


def foresee_shifts(engine: Engine, keys: Sequence[Key], *, as_of: datetime) -> dict[Key, Floats]:
    """Find the shifts with which the hour `as_of` is going to be issued; nothing is written.

    Issuing first scores what has come true and is not scored yet. Here it is scored in memory.

    Returns:
        Shifts, shape (5,), in units of sigma * sqrt(horizon); zeros where nothing has come true.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    store = ScoreStore(engine)
    symbols = sorted({symbol for symbol, _, _ in keys})
    matured = store.read_fresh(symbols, as_of=as_of, targets_after=as_of - FRESH)
    ranks = store.read_ranks(keys, as_of=as_of, rows=FEEDBACK_ROWS)
    fresh = _rank(score_forecasts(matured, scored_at=datetime.now(UTC)))
    none = np.empty(0, dtype=np.uint8)
    return {
        key: find_shifts(
            to_hits(np.concatenate([ranks.get(key, none), fresh.get(key, none)])), horizon=key[1]
        )
        for key in keys
    }


def _rank(rows: Iterable[Score]) -> dict[Key, NDArray[np.uint8]]:
    """Rank the outcomes of each key, oldest first: an hour counts once, as in stored ranks."""
    best: defaultdict[Key, dict[datetime, int]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: (row.target_time, row.is_live, row.model_version)):
        best[row.symbol, row.horizon, row.contestant][row.target_time] = row.quantiles_below
    return {key: np.array(list(of.values()), dtype=np.uint8) for key, of in best.items()}
