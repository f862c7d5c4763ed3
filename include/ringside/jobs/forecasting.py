"""What an hour's forecasts are made of, wherever they are made: inputs, shifts, quantiles."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Engine

from ringside.adapters.candle_windows import read_windows
from ringside.adapters.score_store import Key, ScoreStore
from ringside.core.calibration import FEEDBACK_ROWS, apply_shifts, find_shifts
from ringside.core.candles import HOUR, Candles, Floats, to_datetime
from ringside.core.contestants import Contestant
from ringside.core.features import LOOKBACK, FeatureTable, compute_features
from ringside.core.forecasts import NO_SHIFTS, Forecast, Withheld
from ringside.core.quantiles import LEVELS, are_sound
from ringside.core.scores import to_hits
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError


def read_tables(
    engine: Engine, symbols: Sequence[str], *, as_of: datetime
) -> tuple[dict[str, FeatureTable], list[Withheld]]:
    """Read and compute the last row of each series at the full hour `as_of`.

    Returns:
        Tables of one row by symbol, and the series that cannot be forecast from, with the reason.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    windows = read_windows(engine, symbols, as_of=as_of, hours=LOOKBACK)
    tables, withheld = {}, []
    for symbol in symbols:
        reason = find_reason_to_withhold(windows[symbol], as_of)
        if reason:
            withheld.append(Withheld(symbol, 0, "", 0, as_of, reason))
        else:
            tables[symbol] = compute_features(windows[symbol], rows=1)
    return tables, withheld


def read_shifts(engine: Engine, keys: Sequence[Key], *, as_of: datetime) -> dict[Key, Floats]:
    """Find the shifts of each contestant from its outcomes that were known at `as_of`.

    Returns:
        Shifts, shape (5,), in units of sigma * sqrt(horizon); zeros where nothing has come true.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    ranks = ScoreStore(engine).read_ranks(keys, as_of=as_of, rows=FEEDBACK_ROWS)
    return {
        key: find_shifts(to_hits(ranks[key])) if key in ranks else np.array(NO_SHIFTS)
        for key in keys
    }


def find_reason_to_withhold(candles: Candles, as_of: datetime) -> str:
    """Say why nothing can be forecast at the full hour `as_of` from these candles; empty if not."""
    if len(candles) == 0:
        return f"no candle has closed in the {LOOKBACK} hours before {as_of.isoformat()}"
    last = to_datetime(candles.close_time[-1])
    if last != as_of:
        return f"the candle closing at {as_of.isoformat()} is missing; the last closed at {last}"
    if not compute_features(candles, rows=1).is_usable[0]:
        return f"too few of the hours before {as_of.isoformat()} have a candle, or none moved"
    return ""


def make_forecasts(
    contestant: Contestant,
    table: FeatureTable,
    title: Title,
    *,
    version: int,
    shifts: Floats | None = None,
) -> list[Forecast]:
    """Forecast from every row of the table; `issued_at` is each row's own instant.

    Args:
        contestant: Who forecasts.
        table: Features of the rows, shape (n, k).
        title: What is forecast.
        version: The contestant's version in the registry.
        shifts: How far calibration moves the quantiles, shape (5,); None: not at all.

    Raises:
        ModelRefusedError: The quantiles are not finite or cross.
    """
    moved = np.array(NO_SHIFTS) if shifts is None else shifts
    quantiles = forecast_soundly(contestant, table)
    issued = apply_shifts(quantiles, table.sigma, horizon=title.horizon, shifts=moved)
    return write_down(contestant.name, table, title, version=version, issued=issued, shifts=moved)


def forecast_soundly(contestant: Contestant, table: FeatureTable) -> Floats:
    """Forecast from every row of the table and prove the quantiles, shape (n, 5).

    Raises:
        ModelRefusedError: The quantiles are not finite or cross.
    """
    quantiles = contestant.forecast(table.values, table.sigma)
    if quantiles.shape != (len(table.sigma), len(LEVELS)) or not are_sound(quantiles):
        raise ModelRefusedError(f"{contestant.name} gave quantiles that cross or are not finite")
    return quantiles


def write_down(
    contestant: str,
    table: FeatureTable,
    title: Title,
    *,
    version: int,
    issued: Floats,
    shifts: Floats,
) -> list[Forecast]:
    """Make a ledger row of each issued row of quantiles, shape (n, 5).

    `shifts` are those of all rows, shape (5,), or of each, shape (n, 5).
    """
    closes = [to_datetime(close_time) for close_time in table.open_time + HOUR]
    moved = np.broadcast_to(shifts, issued.shape).tolist()
    return [
        Forecast(
            symbol=title.symbol,
            horizon=title.horizon,
            contestant=contestant,
            model_version=version,
            as_of=close,
            issued_at=close,
            kind="replayed",
            anchor_close=float(table.close[i]),
            sigma=float(table.sigma[i]),
            quantiles=tuple(issued[i].tolist()),
            shifts=tuple(moved[i]),
        )
        for i, close in enumerate(closes)
    ]
