"""Fits and proves all contestants of one series: canaries, tuning, trial, fit, in this order."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import numpy as np

from ringside.core.canaries import (
    PLAUSIBLE_SKILL,
    is_implausible,
    require_blindness,
    require_canaries,
)
from ringside.core.candles import Candles, to_datetime64
from ringside.core.contestants import CONTESTANTS, Contestant, Sample
from ringside.core.features import WARM_UP, FeatureTable, compute_features
from ringside.core.known_values import KnownValues, keep_known
from ringside.core.splits import make_sample
from ringside.core.titles import BASELINES
from ringside.core.trials import (
    Step,
    TrialScores,
    compute_importances,
    describe_scores,
    find_steps,
    join_scores,
    try_out,
)
from ringside.core.tuning import Choice, choose_params
from ringside.errors import HistoryTooShortError, LeakFoundError, TrainingRefusedError

MIN_TRAIN_ROWS = 240
"""Ten days of hours: with fewer, a 90 % band rests on two dozen outcomes."""

SEEDS = 3
ABSURD_SKILL = -1.0
"""A contestant whose loss is twice that of the EWMA band has learnt something that is not there."""

THREADS = 2
"""Horizons fitted at the same time; XGBoost and numpy let go of the interpreter while they work."""

RIVAL = "persistence_ewma"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """What one training may know: candles and auxiliary values at `as_of`, and how to fit."""

    candles: Candles
    as_of: datetime
    horizons: tuple[int, ...]
    train_days: int
    seed: int
    auxiliary: Mapping[str, KnownValues] = field(default_factory=dict)

    def compute(self, candles: Candles) -> FeatureTable:
        """Compute the features of candles; of auxiliary values only what was known at their end."""
        known = keep_known(self.auxiliary, candles.close_time[-1])
        return compute_features(candles, auxiliary=known)


@dataclass(frozen=True)
class Fitted:
    """One fitted contestant of one horizon: its files, figures and what it was fitted on."""

    contestant: str
    sample: Sample
    choice: Choice
    files: dict[str, bytes]
    metrics: dict[str, float]
    importances: dict[str, float]


def fit_contestants(inputs: Inputs) -> list[Fitted]:
    """Fit every contestant for every horizon; the same inputs give the same bytes.

    Raises:
        HistoryTooShortError: Too few candles; the message says how many it takes.
        TrainingRefusedError: The price never moves, or a loss is absurd.
        CanaryMissedError: A planted leak was not flagged.
        LeakFoundError: A feature, the target or a contestant has seen the future.
    """
    table, samples = make_samples(inputs)
    require_blindness(inputs.compute, inputs.candles)
    _log.info("canary flagged symbol=%s canary=blindness", inputs.candles.symbol)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(chain(*pool.map(lambda one: _fit_horizon(inputs, table, one), samples)))


def make_samples(inputs: Inputs) -> tuple[FeatureTable, list[Sample]]:
    """Make the features, and one sample per horizon of what was known at `as_of`.

    Raises:
        HistoryTooShortError: A sample has fewer rows than a band can be drawn from.
        TrainingRefusedError: The price never moves.
    """
    candles = inputs.candles
    if len(candles) == 0:
        raise _too_short(inputs, rows=0)
    if np.nanmin(candles.close) == np.nanmax(candles.close):
        raise TrainingRefusedError(
            f"the price of {candles.symbol} has not moved in {len(candles)} candles: there is no "
            "volatility to scale by, and nothing to forecast",
            symbol=candles.symbol,
        )
    table = inputs.compute(candles)
    samples = [
        make_sample(
            table,
            horizon=horizon,
            as_of=to_datetime64(inputs.as_of),
            train_days=inputs.train_days,
        )
        for horizon in inputs.horizons
    ]
    rows = min(len(sample) for sample in samples)
    if rows < MIN_TRAIN_ROWS:
        raise _too_short(inputs, rows=rows)
    return table, samples


def _too_short(inputs: Inputs, *, rows: int) -> HistoryTooShortError:
    needed = MIN_TRAIN_ROWS + WARM_UP + max(inputs.horizons)
    symbol, count = inputs.candles.symbol, len(inputs.candles)
    return HistoryTooShortError(
        f"{symbol} has {count} closed candles at {inputs.as_of.isoformat()}, of which "
        f"{rows} can be fitted on; it takes about {needed} in a row",
        symbol=symbol,
        candles=count,
        rows=rows,
        needed=needed,
    )


@dataclass(frozen=True)
class _Tried:
    """A contestant out of sample: what was chosen, its fit before each step, and how they went."""

    choice: Choice
    fits: list[Contestant]
    parts: list[TrialScores]
    metrics: dict[str, float]

    @property
    def scores(self) -> TrialScores:
        return join_scores(self.parts)


def _fit_horizon(inputs: Inputs, table: FeatureTable, sample: Sample) -> list[Fitted]:
    """Try every contestant of one horizon out, judge them by the baselines, and fit them."""
    steps = find_steps(sample)
    tried = {name: _try(inputs, table, sample, steps, name) for name in CONTESTANTS}
    baselines = {name: tried[name].scores for name in BASELINES}
    fitted = []
    for name, one in tried.items():
        figures = describe_scores(one.scores, baselines)
        _require_sane(name, sample.horizon, skill=figures[f"oos_skill_{RIVAL}"])
        fitted.append(_finish(inputs, sample, steps[-1], name, one, figures))
        _log.info(
            "fitted symbol=%s horizon=%d contestant=%s oos_scaled_loss=%.4f skill=%+.4f",
            inputs.candles.symbol,
            sample.horizon,
            name,
            figures["oos_scaled_loss"],
            figures[f"oos_skill_{RIVAL}"],
        )
    return fitted


def _try(
    inputs: Inputs, table: FeatureTable, sample: Sample, steps: list[Step], name: str
) -> _Tried:
    """Watch the canaries, choose hyper-parameters before the first step, and walk forward."""
    kind, seed = CONTESTANTS[name], inputs.seed
    metrics = {}
    if not kind.is_baseline:
        canaries = require_canaries(kind, sample, inputs.candles, seed=seed)
        metrics["canary_planted_skill"] = canaries.planted_skill
    choice = choose_params(
        kind,
        table,
        horizon=sample.horizon,
        as_of=steps[0].start,
        train_days=inputs.train_days,
        seed=seed,
    )
    fits = [_fit(kind(choice.params), step.fit, seed) for step in steps]
    parts = [try_out(one, step.test) for one, step in zip(fits, steps, strict=True)]
    return _Tried(choice, fits, parts, metrics)


def _finish(
    inputs: Inputs,
    sample: Sample,
    step: Step,
    name: str,
    tried: _Tried,
    figures: Mapping[str, float],
) -> Fitted:
    """Measure the spread over seeds and what the forecasts rest on, and fit on all rows."""
    kind, seed = CONTESTANTS[name], inputs.seed
    last = float(tried.parts[-1].loss.mean())
    spread = _measure_spread(kind(tried.choice.params), step, last, seed)
    importances = (
        {} if kind.is_baseline else dict(compute_importances(tried.fits[-1], step.test, seed=seed))
    )
    contestant = _fit(kind(tried.choice.params), sample, seed)
    metrics = {"train_rows": float(len(sample)), **tried.metrics, **figures, **spread}
    return Fitted(name, sample, tried.choice, contestant.save(), metrics, importances)


def _fit(contestant: Contestant, sample: Sample, seed: int) -> Contestant:
    contestant.fit(sample, seed=seed)
    return contestant


def _measure_spread(contestant: Contestant, step: Step, loss: float, seed: int) -> dict[str, float]:
    """Fit the last step with the seeds that follow; what differs is luck, not skill."""
    losses = [loss]
    for other in range(seed + 1, seed + SEEDS):
        losses.append(float(try_out(_fit(contestant, step.fit, other), step.test).loss.mean()))
    named = {f"oos_scaled_loss_seed_{seed + place}": one for place, one in enumerate(losses)}
    return named | {"oos_seed_spread": max(losses) - min(losses)}


def _require_sane(name: str, horizon: int, *, skill: float) -> None:
    """Refuse a contestant whose loss out of sample is absurd, be it bad or too good.

    Raises:
        TrainingRefusedError: It is not a number, or twice that of the EWMA band.
        LeakFoundError: It is lower than any honest forecast's.
    """
    facts = {"contestant": name, "horizon": horizon, "skill": round(skill, 4)}
    if not np.isfinite(skill) or skill < ABSURD_SKILL:
        raise TrainingRefusedError(
            f"{name} at horizon {horizon} loses {1 - skill:.1f} times what {RIVAL} loses "
            "out of sample: nothing is registered",
            **facts,
        )
    if is_implausible(skill):
        raise LeakFoundError(
            f"{name} at horizon {horizon} saves {skill:.0%} of the loss of {RIVAL} out of "
            f"sample; more than {PLAUSIBLE_SKILL:.0%} is a leak until proved otherwise",
            **facts,
        )
