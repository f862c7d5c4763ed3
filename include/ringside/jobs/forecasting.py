"""What an hour's forecasts are made of, wherever they are made: inputs, shifts, quantiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from sqlalchemy import Engine

from ringside.adapters.candle_windows import read_windows
from ringside.adapters.observation_store import ObservationStore
from ringside.adapters.score_store import Key, ScoreStore
from ringside.core.calibration import FEEDBACK_ROWS, find_shifts
from ringside.core.candles import HOUR, Candles, Floats, to_datetime, to_datetime64
from ringside.core.contestants import Contestant
from ringside.core.features import (
    LOOKBACK,
    FeatureTable,
    compute_features,
    explain_unusable,
    find_look_back,
    find_names,
)
from ringside.core.forecasting import forecast_calibrated
from ringside.core.forecasts import NO_SHIFTS, Forecast, Withheld
from ringside.core.known_values import AUXILIARY, KnownValues, find_ages
from ringside.core.scores import to_hits
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError
from ringside.settings import Settings


@dataclass(frozen=True)
class Window:
    """What was known of one series at a full hour: the candles and values that one row looks at."""

    candles: Candles
    auxiliary: Mapping[str, KnownValues]

    @cached_property
    def row(self) -> FeatureTable:
        """Features of the last candle, one row in every column that the values allow."""
        return compute_features(self.candles, rows=1, auxiliary=self.auxiliary)

    def compute(self, names: Sequence[str]) -> FeatureTable:
        """Compute the last row in these columns, as a model was fitted on them.

        Raises:
            ModelRefusedError: A column needs an auxiliary series that the settings do not name.
        """
        try:
            return self.row.pick(names)
        except ValueError as error:
            raise ModelRefusedError(f"its columns cannot be computed here: {error}") from error


def read_series(
    settings: Settings, engine: Engine, symbols: Sequence[str], *, as_of: datetime
) -> tuple[dict[str, Window], list[Withheld]]:
    """Read what each series can be forecast from at the full hour `as_of`.

    Returns:
        Windows by symbol, and the series that cannot be forecast from, with the reason.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    hours = find_look_back(find_names(settings.auxiliary))
    auxiliary = read_auxiliary(engine, settings.auxiliary, as_of=as_of, hours=hours)
    windows, withheld = {}, []
    for symbol, candles in read_windows(engine, symbols, as_of=as_of, hours=hours).items():
        window = Window(candles, auxiliary)
        reason = find_reason_to_withhold(window, as_of)
        if reason:
            withheld.append(Withheld(symbol, 0, "", 0, as_of, reason))
        else:
            windows[symbol] = window
    return windows, withheld


def read_auxiliary(
    engine: Engine, names: Sequence[str], *, as_of: datetime, hours: int
) -> dict[str, KnownValues]:
    """Read the auxiliary values that rows of the last `hours` before `as_of` may look at.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    store = ObservationStore(engine)
    return {
        name: store.read_known(
            name,
            as_of=as_of,
            start=as_of - timedelta(hours=hours + AUXILIARY[name].max_age_hours),
        )
        for name in names
    }


def read_shifts(engine: Engine, keys: Sequence[Key], *, as_of: datetime) -> dict[Key, Floats]:
    """Find the shifts of each contestant from its outcomes that were known at `as_of`.

    Returns:
        Shifts, shape (5,), in units of sigma * sqrt(horizon); zeros where nothing has come true.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    ranks = ScoreStore(engine).read_ranks(keys, as_of=as_of, rows=FEEDBACK_ROWS)
    return {
        key: find_shifts(to_hits(ranks[key]), horizon=key[1])
        if key in ranks
        else np.array(NO_SHIFTS)
        for key in keys
    }


def find_reason_to_withhold(window: Window, as_of: datetime) -> str:
    """Say why nothing can be forecast at the full hour `as_of` from a window; empty if not."""
    candles = window.candles
    if len(candles) == 0:
        return f"no candle has closed in the {LOOKBACK} hours before {as_of.isoformat()}"
    last = to_datetime(candles.close_time[-1])
    if last != as_of:
        return f"the candle closing at {as_of.isoformat()} is missing; the last closed at {last}"
    return explain_unusable(candles, window.row)


def make_forecasts(
    contestant: Contestant,
    table: FeatureTable,
    title: Title,
    *,
    version: int,
    shifts: Floats | None = None,
    auxiliary: Mapping[str, KnownValues] | None = None,
) -> list[Forecast]:
    """Forecast from every row of the table; `issued_at` is each row's own instant.

    Args:
        contestant: Who forecasts.
        table: Features of the rows, shape (n, k).
        title: What is forecast.
        version: The contestant's version in the registry.
        shifts: How far calibration moves the quantiles, shape (5,); None: not at all.
        auxiliary: Values whose ages go on the record.

    Raises:
        ModelRefusedError: The quantiles are not finite or cross.
    """
    moved = np.array(NO_SHIFTS) if shifts is None else shifts
    issued = forecast_calibrated(contestant, table, horizon=title.horizon, shifts=moved)
    made = write_down(contestant.name, table, title, version=version, issued=issued, shifts=moved)
    return note_ages(made, auxiliary or {})


def note_ages(
    forecasts: Sequence[Forecast], auxiliary: Mapping[str, KnownValues]
) -> list[Forecast]:
    """Give each forecast the ages of its inputs, in hours at its `as_of`."""
    instants = np.array([to_datetime64(row.as_of) for row in forecasts], dtype="datetime64[s]")
    ages = find_ages(auxiliary, instants)
    return [
        replace(row, input_ages={"candles": 0.0} | of_row)
        for row, of_row in zip(forecasts, ages, strict=True)
    ]


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
