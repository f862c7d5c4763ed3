"""Forecasts as callers get them: quantiles in prices, from the best model of each title."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import numpy as np

from forecast_api.champions import Champion, Champions
from forecast_api.hour_inputs import HourInputs, Shifts
from forecast_api.lineup import REGISTRY_DOWN, REGISTRY_UNUSABLE
from forecast_api.market import LABELS, MarketWindow
from forecast_api.problems import Problem
from ringside.core.candles import Candles, Floats, to_datetime
from ringside.core.features import FeatureTable, compute_features
from ringside.core.known_values import KnownValues
from ringside.core.quantiles import LEVELS, to_prices
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(hours=2)
"""A candle is the newest for an hour and the time to ingest the next; past this one is missing."""

GRAVITY = (
    "no-model", "baseline", "previous-champion", "stale-candles", "last-good-copy",
    "database-down",
)  # fmt: skip
"""What can be worse than it should be, the gravest first."""

_LEVEL_NAMES = tuple(map(str, LEVELS))


@dataclass(frozen=True)
class Anchor:
    """The row a forecast starts from: the last closed candle."""

    as_of: datetime
    close: float
    features: FeatureTable


@dataclass(frozen=True)
class Given:
    """What the titles of one symbol forecast: bodies for the answer, and the models used."""

    forecasts: list[dict[str, object]]
    unavailable: list[dict[str, object]]
    used: list[Champion]


@dataclass(frozen=True)
class Forecast:
    """The answer of `GET /v1/forecast` without the ages, which are added when it is told.

    `fixed` holds until the candles, the hour or the models change.
    """

    as_of: datetime
    fixed: dict[str, object]
    warnings: tuple[str, ...]
    used: tuple[Champion, ...]


def make_forecast(titles: Sequence[Title], champions: Champions, window: MarketWindow) -> Forecast:
    """Forecast every title of one symbol from the candles known now.

    Raises:
        Problem: 503 with the reason, when no title can be forecast.
    """
    candles = window.candles
    anchor = _require_anchor(candles, window.inputs)
    age = window.market_time - anchor.as_of
    current = [title for title in titles if age < find_max_age(title)]
    if not current:
        raise _unavailable(
            "candles-stale",
            f"the last closed candle is of {anchor.as_of.isoformat()}",
            as_of=anchor.as_of.isoformat(),
            age_s=age.total_seconds(),
        )
    [given] = forecast_titles(current, champions, [anchor], window.inputs)
    if not given.forecasts:
        raise _unavailable("no-champion", "no model can forecast", unavailable=given.unavailable)
    too_old = [
        {"horizon": title.horizon, "reason": "its hour has passed: the candles are too old"}
        for title in titles
        if title not in current
    ]
    warnings = find_warnings(current, champions, given.used)
    warnings |= {"stale-candles"} if age > STALE_AFTER else set()
    warnings |= {"database-down"} if window.origin != "database" else set()
    ranked = rank(warnings)
    fixed: dict[str, object] = {
        "symbol": candles.symbol,
        "as_of": anchor.as_of.isoformat(),
        "source": {"kind": window.source, "label": LABELS.get(window.source, window.source)},
        "degraded": ranked[0] if ranked else None,
        "warnings": list(ranked),
        "anchor_close": anchor.close,
        "forecasts": given.forecasts,
        "unavailable": [*given.unavailable, *too_old],
    }
    return Forecast(anchor.as_of, fixed, ranked, tuple(given.used))


def _require_anchor(candles: Candles, inputs: HourInputs) -> Anchor:
    """Find the anchor of a forecast.

    Raises:
        Problem: 503; there is no candle, or too many are missing before it.
    """
    if len(candles) == 0:
        raise _unavailable("no-candles", f"no closed candle of {candles.symbol} is published yet")
    anchor = find_anchor(candles, inputs.auxiliary)
    if anchor is None:
        as_of = to_datetime(candles.close_time[-1])
        raise _unavailable(
            "candle-gap",
            f"too many candles of {candles.symbol} are missing before {as_of.isoformat()}",
            candles=len(candles),
        )
    return anchor


def find_anchor(candles: Candles, auxiliary: Mapping[str, KnownValues]) -> Anchor | None:
    """Compute the features of the last candle; None where too few hours before it have one."""
    features = compute_features(candles, rows=1, auxiliary=auxiliary)
    if not features.sigma[-1] > 0:
        return None
    as_of = to_datetime(candles.close_time[-1])
    return Anchor(as_of, float(features.close[-1]), features)


def stack_features(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Put the rows of several tables into one, in order."""
    if len(tables) == 1:
        return tables[0]
    return FeatureTable(
        names=tables[0].names,
        values=np.concatenate([table.values for table in tables]),
        sigma=np.concatenate([table.sigma for table in tables]),
        close=np.concatenate([table.close for table in tables]),
        open_time=np.concatenate([table.open_time for table in tables]),
    )


def find_max_age(title: Title) -> timedelta:
    """How old candles may be for a title: until its hour has passed, and time to ingest at least.

    Examples:
        >>> find_max_age(Title("BTC/USDT", 6)), find_max_age(Title("BTC/USDT", 1))
        (datetime.timedelta(seconds=21600), datetime.timedelta(seconds=7200))
    """
    return max(timedelta(hours=title.horizon), STALE_AFTER)


def forecast_titles(
    titles: Sequence[Title], champions: Champions, anchors: Sequence[Anchor], inputs: HourInputs
) -> list[Given]:
    """Forecast each title by the first model of its ladder that can, from all anchors at once.

    Returns:
        What is given for each anchor, in their order.
    """
    table = stack_features([anchor.features for anchor in anchors])
    given = [Given([], [], []) for _ in anchors]
    for title in titles:
        reason = "no model is loaded"
        for champion in champions.ladders.get(title, ()):
            shifts = inputs.find_shifts(title.horizon, champion.contestant)
            try:
                log_returns = champion.forecast(table, shifts=shifts)
            except ModelRefusedError as error:
                log.warning("no forecast by %s v%s: %s", title.model_name, champion.version, error)
                reason = str(error)
                continue
            for each, anchor, log_return in zip(given, anchors, log_returns, strict=True):
                each.forecasts.append(_render_forecast(champion, anchor, log_return, shifts))
                each.used.append(champion)
            break
        else:
            for each in given:
                each.unavailable.append({"horizon": title.horizon, "reason": reason})
    return given


def find_warnings(
    titles: Sequence[Title], champions: Champions, used: Sequence[Champion]
) -> set[str]:
    """Name what is worse than it should be in the models that were used."""
    warnings = {champion.source for champion in used if champion.source != "registry"}
    missing = len(used) < len(titles)
    is_cut_off = any(
        refusal.reason in (REGISTRY_DOWN, REGISTRY_UNUSABLE)
        for refusal in champions.refused
        if refusal.title in titles
    )
    return (
        set(warnings)
        | ({"no-model"} if missing else set())
        | ({"last-good-copy"} if is_cut_off and used else set())
    )


def rank(warnings: set[str]) -> tuple[str, ...]:
    """Sort warnings, the gravest first."""
    return tuple(warning for warning in GRAVITY if warning in warnings)


def _render_forecast(
    champion: Champion, anchor: Anchor, log_return: Floats, shifts: Shifts
) -> dict[str, object]:
    target_time = anchor.as_of + timedelta(hours=champion.title.horizon)
    return {
        "horizon": champion.title.horizon,
        "target_time": target_time.isoformat(),
        "contestant": champion.contestant,
        "version": champion.version,
        "rung": champion.source,
        "quantiles": name_levels(to_prices(anchor.close, log_return)),
        "log_return": name_levels(log_return),
        "calibration": name_levels(np.array(shifts)),
    }


def name_levels(values: Floats) -> dict[str, float]:
    """Give five values the names of their levels."""
    return dict(zip(_LEVEL_NAMES, values.tolist(), strict=True))


def _unavailable(slug: str, detail: str, **members: object) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, slug, detail, **members)
