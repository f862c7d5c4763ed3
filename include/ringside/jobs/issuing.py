"""Puts forecasts on the record before their outcome, and scores them once it is known."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore, MaturedForecast, Score
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry_reader import RegistryReader
from ringside.core.candles import HOUR, Candles, floor_hour, to_datetime
from ringside.core.contestants import Contestant
from ringside.core.features import LOOKBACK, FeatureTable, compute_features
from ringside.core.forecasting import forecast_quantiles
from ringside.core.forecasts import Forecast, find_kind
from ringside.core.manifest import require_fit_before
from ringside.core.metrics import compute_pinball_loss, is_inside
from ringside.core.quantiles import INSIDE_50, INSIDE_90, MEDIAN
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Withheld:
    """A forecast that was not issued, and why; `model` is empty when none of the series was."""

    symbol: str
    model: str
    reason: str


@dataclass(frozen=True)
class IssueFacts:
    """What one issue put on the record; `as_of` is ISO 8601 text."""

    as_of: str
    live: int
    late: int
    known: int
    withheld: tuple[Withheld, ...]


@dataclass(frozen=True)
class ScoreFacts:
    """How many forecasts were scored, by symbol; `as_of` is ISO 8601 text."""

    as_of: str
    scored: dict[str, int]


def issue_forecasts(settings: Settings, *, as_of: datetime, issued_at: datetime) -> IssueFacts:
    """Let every version that an alias names forecast from the last closed candle.

    A series whose last candle is missing, or a model that is refused, is withheld with the reason;
    the others are issued all the same. Running it again adds nothing.

    Args:
        settings: Series, horizons and stores.
        as_of: Market time whose knowledge is allowed; the forecasts carry its full hour.
        issued_at: Market time of now; too long after `as_of` makes a forecast late.

    Raises:
        RegistryUnavailableError: MLflow did not answer.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("issuing as_of=%s issued_at=%s", as_of.isoformat(), issued_at.isoformat())
    engine = make_engine(settings)
    kinds: Counter[str] = Counter()
    withheld: list[Withheld] = []
    with RegistryReader(settings.mlflow_url) as registry:
        for symbol in settings.series:
            candles = CandleStore(engine).read_candles(symbol, as_of=as_of, count=LOOKBACK)
            rows, missed = _forecast_series(settings, registry, candles, as_of=floor_hour(as_of))
            kind = find_kind(floor_hour(as_of), issued_at, settings.late_after_minutes)
            forecasts = [replace(row, issued_at=issued_at, kind=kind) for row in rows]
            added = LedgerStore(engine).append(symbol, forecasts)
            kinds.update({kind: added, "known": len(rows) - added})
            withheld += missed
    facts = IssueFacts(
        as_of.isoformat(), kinds["live"], kinds["late"], kinds["known"], tuple(withheld)
    )
    _log_issue(facts)
    return facts


def score_matured(settings: Settings, *, as_of: datetime) -> ScoreFacts:
    """Score every forecast of the settings' series whose target candle had closed at `as_of`.

    Running it again scores nothing twice. Late forecasts are never scored.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("scoring as_of=%s", as_of.isoformat())
    ledger = LedgerStore(make_engine(settings))
    scored = {}
    for symbol in settings.series:
        matured = ledger.read_matured(symbol, as_of=as_of)
        ledger.write_scores(score_forecasts(matured, scored_at=datetime.now(UTC)))
        scored[symbol] = len(matured)
    _log.info("scored as_of=%s forecasts=%s", as_of.isoformat(), scored)
    return ScoreFacts(as_of.isoformat(), scored)


def score_forecasts(matured: Sequence[MaturedForecast], *, scored_at: datetime) -> list[Score]:
    """Compute the score of each forecast from the close it was to foresee."""
    if not matured:
        return []
    quantiles = np.array([row.forecast.quantiles for row in matured])
    anchor = np.array([row.forecast.anchor_close for row in matured])
    sigma = np.array([row.forecast.sigma for row in matured])
    realised = np.log(np.array([row.target_close for row in matured]) / anchor)
    loss = compute_pinball_loss(realised, quantiles)
    columns = {
        "realised_return": realised,
        "loss": loss,
        "scaled_loss": loss / sigma,
        "abs_error": np.abs(realised - quantiles[:, MEDIAN]),
        "is_inside_50": is_inside(realised, *quantiles[:, INSIDE_50].T),
        "is_inside_90": is_inside(realised, *quantiles[:, INSIDE_90].T),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        Score(forecast_id=one.id, scored_at=scored_at, **dict(zip(columns, row, strict=True)))
        for one, row in zip(matured, rows, strict=True)
    ]


def find_reason_to_withhold(candles: Candles, as_of: datetime) -> str:
    """Say why nothing can be forecast at the full hour `as_of` from these candles; empty if not."""
    if len(candles) == 0:
        return f"no candle has closed by {as_of.isoformat()}"
    last = to_datetime(candles.close_time[-1])
    if last != as_of:
        return f"the candle closing at {as_of.isoformat()} is missing; the last closed at {last}"
    if not compute_features(candles, rows=1).is_usable[0]:
        return f"too few of the hours before {as_of.isoformat()} have a candle, or none moved"
    return ""


def make_forecasts(
    contestant: Contestant, table: FeatureTable, title: Title, *, version: int
) -> list[Forecast]:
    """Forecast from every row of the table; `issued_at` is each row's own instant.

    Raises:
        ModelRefusedError: The quantiles are not finite or cross.
    """
    quantiles = forecast_quantiles(contestant, table)
    closes = [to_datetime(close_time) for close_time in table.open_time + HOUR]
    return [
        Forecast(
            symbol=title.symbol,
            horizon=title.horizon,
            contestant=contestant.name,
            model_version=version,
            as_of=close,
            issued_at=close,
            kind="replayed",
            anchor_close=float(table.close[i]),
            sigma=float(table.sigma[i]),
            quantiles=tuple(quantiles[i].tolist()),
        )
        for i, close in enumerate(closes)
    ]


def _log_issue(facts: IssueFacts) -> None:
    for one in facts.withheld:
        _log.warning("withheld symbol=%s model=%s reason=%s", one.symbol, one.model, one.reason)
    _log.info(
        "issued as_of=%s live=%d late=%d known=%d withheld=%d",
        facts.as_of,
        facts.live,
        facts.late,
        facts.known,
        len(facts.withheld),
    )


def _forecast_series(
    settings: Settings, registry: RegistryReader, candles: Candles, *, as_of: datetime
) -> tuple[list[Forecast], list[Withheld]]:
    reason = find_reason_to_withhold(candles, as_of)
    if reason:
        return [], [Withheld(candles.symbol, "", reason)]
    table = compute_features(candles, rows=1)
    rows: list[Forecast] = []
    withheld = []
    for horizon in settings.horizons:
        title = Title(candles.symbol, horizon)
        aliases = registry.find_aliases(title.model_name)
        versions = sorted(set(aliases.values()))
        if not versions:
            withheld.append(Withheld(candles.symbol, title.model_name, "no model is trained yet"))
        for version in versions:
            try:
                folder = registry.download(title.model_name, version, settings.models_dir)
                model = load_contestant(folder)
                require_fit_before(model.manifest, as_of)
                rows += make_forecasts(model.contestant, table, title, version=version)
            except ModelRefusedError as error:
                # the facts and the log carry it; the other contestants must not miss their hour
                withheld.append(
                    Withheld(candles.symbol, f"{title.model_name} v{version}", str(error))
                )
    return rows, withheld
