"""Replays the weeks before the first issued hour, so that a verdict has rows to stand on."""

import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.score_store import ScoreStore
from ringside.core.calibration import replay
from ringside.core.candles import HOUR, Floats, floor_hour, to_datetime, to_datetime64
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import FeatureTable
from ringside.core.forecasting import forecast_quantiles
from ringside.core.forecasts import REPLAYED_VERSION, Forecast
from ringside.core.quantiles import LEVELS
from ringside.core.scores import score_forecasts
from ringside.core.splits import Week, find_weeks, make_sample, select_rows
from ringside.core.targets import forward_log_return
from ringside.core.titles import Title
from ringside.core.tuning import Choice, choose_params
from ringside.errors import HistoryTooShortError
from ringside.jobs.fitting import MIN_TRAIN_ROWS, Inputs
from ringside.jobs.forecasting import note_ages, write_down
from ringside.jobs.scoring import update_skill
from ringside.jobs.training import read_inputs
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordFacts:
    """What one replay did; `start` and `end` of the recorded hours are ISO 8601 text.

    `forecasts` were added, `scored` of the series had come true, `fits` were made, and
    `short_fits` were left out because too little history lies before their week.
    """

    symbol: str
    start: str
    end: str
    forecasts: int
    scored: int
    fits: int
    short_fits: int
    seconds: float


@dataclass(frozen=True)
class Stage:
    """What a replay stands on: inputs up to its end, their features, the weeks; and its counts."""

    inputs: Inputs
    table: FeatureTable
    weeks: tuple[Week, ...]
    counts: "Counter[str]" = field(default_factory=Counter)


def record(settings: Settings, symbol: str, *, as_of: datetime) -> RecordFacts:
    """Forecast the `record_weeks` weeks before the first issued hour in as-of order, and score.

    Each week every contestant is fitted anew on the `train_days` before it, targets purged, and
    forecasts each hour of it, calibrated by the hours before; the rows are labelled `replayed`.
    Hours on the record are skipped, so a repeated run adds nothing, and one that was killed fits
    again only the contestants of which an hour is missing.

    Raises:
        HistoryTooShortError: No week has enough history before it.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    started = time.monotonic()
    ledger = LedgerStore(make_engine(settings))
    end = min(floor_hour(as_of), ledger.read_first_issued(symbol) or floor_hour(as_of))
    start = end - timedelta(weeks=settings.record_weeks)
    _log.info("recording symbol=%s start=%s end=%s", symbol, start.isoformat(), end.isoformat())
    stage = _set_stage(settings, symbol, end=end)
    rows = [
        row
        for horizon in settings.horizons
        for name in CONTESTANTS
        for row in _replay(stage, ledger, Title(symbol, horizon), name)
    ]
    counts = stage.counts
    _require_any_fit(counts, symbol, end)
    stamped = [replace(row, issued_at=as_of) for row in sorted(rows, key=_by_instant)]
    added = ledger.append(stamped, withheld_at=as_of)
    facts = RecordFacts(
        symbol=symbol,
        start=start.isoformat(),
        end=end.isoformat(),
        forecasts=added,
        scored=_score(settings, symbol, as_of=as_of),
        fits=counts["fits"],
        short_fits=counts["short_fits"],
        seconds=round(time.monotonic() - started, 2),
    )
    _log.info("recorded %s", " ".join(f"{name}={value}" for name, value in vars(facts).items()))
    return facts


def _set_stage(settings: Settings, symbol: str, *, end: datetime) -> Stage:
    days = settings.train_days + 7 * settings.record_weeks
    inputs = read_inputs(settings, symbol, as_of=end, days=days, seed=settings.seed)
    if len(inputs.candles) == 0:
        raise HistoryTooShortError(f"no candle of {symbol} has closed by {end.isoformat()}")
    weeks = tuple(find_weeks(to_datetime64(end), settings.record_weeks))
    return Stage(inputs, inputs.compute(inputs.candles), weeks)


def _replay(stage: Stage, ledger: LedgerStore, title: Title, name: str) -> list[Forecast]:
    """Forecast all weeks as one contestant and give the hours that are not on the record yet."""
    start, end = stage.weeks[0].start, stage.weeks[-1].end
    hours = select_rows(stage.table, start, end)
    known = ledger.read_replayed(
        title.symbol, title.horizon, name, start=to_datetime(start), end=to_datetime(end)
    )
    if len(known) >= len(hours):
        stage.counts["known_fits"] += len(stage.weeks)
        return []
    rows, quantiles = _fit_weeks(stage, title.horizon, name)
    if len(rows) == 0:
        return []
    here = stage.table.take(rows)
    issued, shifts = replay(
        quantiles,
        sigma=here.sigma,
        realised=forward_log_return(stage.table.close, title.horizon)[rows],
        closed=here.open_time + HOUR,
        horizon=title.horizon,
    )
    _log.info("replayed title=%s contestant=%s hours=%d", title.model_name, name, len(rows))
    made = write_down(name, here, title, version=REPLAYED_VERSION, issued=issued, shifts=shifts)
    new = [row for row in made if row.as_of not in known]
    return note_ages(new, stage.inputs.auxiliary)


def _fit_weeks(stage: Stage, horizon: int, name: str) -> tuple[NDArray[np.intp], Floats]:
    """Fit before each week and forecast its hours: rows of the table, quantiles (n, 5)."""
    kind, days, seed = CONTESTANTS[name], stage.inputs.train_days, stage.inputs.seed
    rows, quantiles = [], []
    choice: Choice | None = None
    for week in stage.weeks:
        sample = make_sample(stage.table, horizon=horizon, as_of=week.start, train_days=days)
        if len(sample) < MIN_TRAIN_ROWS:
            stage.counts["short_fits"] += 1
            continue
        # chosen once, before the first week: from nothing that any of the weeks will see
        choice = choice or choose_params(
            kind, stage.table, horizon=horizon, as_of=week.start, train_days=days, seed=seed
        )
        contestant = kind(choice.params)
        contestant.fit(sample, seed=seed)
        stage.counts["fits"] += 1
        here = select_rows(stage.table, week.start, week.end)
        rows.append(here)
        quantiles.append(forecast_quantiles(contestant, stage.table.take(here)))
    if not rows:
        return np.empty(0, dtype=np.intp), np.empty((0, len(LEVELS)))
    return np.concatenate(rows), np.concatenate(quantiles)


def _score(settings: Settings, symbol: str, *, as_of: datetime) -> int:
    """Score what was recorded; scores that are there stay, since training may replace none."""
    with ScoreStore(make_engine(settings)).update([symbol]) as batch:
        matured = batch.read_unscored(as_of=as_of, is_complete=True)
        scored = score_forecasts(matured, scored_at=datetime.now(UTC))
        added = batch.write_scores(scored, may_replace=False)
        update_skill(batch, matured)
    return added


def _require_any_fit(counts: "Counter[str]", symbol: str, end: datetime) -> None:
    if counts["short_fits"] and not counts["fits"] + counts["known_fits"]:
        raise HistoryTooShortError(
            f"no week before {end.isoformat()} has {MIN_TRAIN_ROWS} hours of {symbol} before it "
            "to be fitted on; load more history",
            symbol=symbol,
        )


def _by_instant(row: Forecast) -> tuple[datetime, int, str]:
    return row.as_of, row.horizon, row.contestant
