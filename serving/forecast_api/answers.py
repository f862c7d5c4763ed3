"""A forecast as callers get it: the champions' quantiles from the last closed candle, in prices."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from forecast_api.champions import Champion, Champions
from forecast_api.market import MarketWindow
from forecast_api.problems import Problem
from ringside.core.candles import Floats, to_datetime
from ringside.core.features import FeatureTable, compute_features
from ringside.core.quantiles import LEVELS, to_prices
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(hours=2)
"""A candle is the newest for an hour and the time to ingest the next; past this one is missing."""

LABELS = {
    "exchange": "live market",
    "file": "recorded market: past prices, replayed as if live",
    "simulated": "simulated market: these are not real prices",
}


@dataclass(frozen=True)
class Anchor:
    """The row a forecast starts from: the last closed candle."""

    as_of: datetime
    close: float
    features: FeatureTable


def make_answer(
    titles: Sequence[Title], champions: Champions, window: MarketWindow
) -> dict[str, object]:
    """Forecast every title of one symbol from the candles known now.

    Returns:
        The body of `GET /v1/forecast`. Titles that cannot be forecast are in `unavailable`.

    Raises:
        Problem: 503 with the reason, when no title can be forecast.
    """
    anchor = _find_anchor(window)
    age = window.market_time - anchor.as_of
    if age >= timedelta(hours=max(title.horizon for title in titles)):
        raise _unavailable(
            "candles-stale", f"the last closed candle is of {anchor.as_of.isoformat()}"
        )
    forecasts, unavailable = _forecast_titles(titles, champions, anchor)
    if not forecasts:
        raise _unavailable("no-champion", "no champion can forecast", unavailable=unavailable)
    return {
        "symbol": window.candles.symbol,
        "as_of": anchor.as_of.isoformat(),
        "market_time": window.market_time.isoformat(),
        "source": {"kind": window.source, "label": LABELS.get(window.source, window.source)},
        "age_s": age.total_seconds(),
        "degraded": _find_degradation(titles, champions, age),
        "anchor_close": anchor.close,
        "forecasts": forecasts,
        "unavailable": unavailable,
    }


def _forecast_titles(
    titles: Sequence[Title], champions: Champions, anchor: Anchor
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Forecast each title that can be; the others go into the second list, with the reason."""
    forecasts: list[dict[str, object]] = []
    unavailable: list[dict[str, object]] = []
    for title in titles:
        champion = champions.by_title.get(title)
        try:
            if champion is None:
                raise ModelRefusedError("no model is loaded")  # noqa: TRY301 - one exit for both
            forecasts.append(_render_forecast(champion, anchor))
        except ModelRefusedError as error:
            log.warning("no forecast for %s: %s", title.model_name, error)
            unavailable.append({"horizon": title.horizon, "reason": str(error)})
    return forecasts, unavailable


def _find_anchor(window: MarketWindow) -> Anchor:
    """Compute the features of the last closed candle.

    Raises:
        Problem: 503, there is no candle, or too many are missing before it.
    """
    candles = window.candles
    if len(candles) == 0:
        raise _unavailable("no-candles", f"no closed candle of {candles.symbol} is published yet")
    features = compute_features(candles, rows=1)
    as_of = to_datetime(candles.close_time[-1])
    if not features.is_usable[-1]:
        raise _unavailable(
            "candle-gap",
            f"too many candles of {candles.symbol} are missing before {as_of.isoformat()}",
            candles=len(candles),
        )
    return Anchor(as_of, float(features.close[-1]), features)


def _render_forecast(champion: Champion, anchor: Anchor) -> dict[str, object]:
    log_return = champion.forecast(anchor.features)[-1]
    target_time = anchor.as_of + timedelta(hours=champion.title.horizon)
    return {
        "horizon": champion.title.horizon,
        "target_time": target_time.isoformat(),
        "contestant": champion.contestant,
        "version": champion.version,
        "quantiles": _name_levels(to_prices(anchor.close, log_return)),
        "log_return": _name_levels(log_return),
    }


def _name_levels(values: Floats) -> dict[str, float]:
    return dict(zip(map(str, LEVELS), values.tolist(), strict=True))


def _find_degradation(titles: Sequence[Title], champions: Champions, age: timedelta) -> str | None:
    """Name what is worse than it should be, the gravest first; None when nothing is."""
    if age > STALE_AFTER:
        return "stale-candles"
    served = [champions.by_title[title] for title in titles if title in champions.by_title]
    if any(champion.source == "last-good-copy" for champion in served):
        return "last-good-copy"
    return None


def _unavailable(slug: str, detail: str, **members: object) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, slug, detail, **members)
