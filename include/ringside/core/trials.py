"""Out-of-sample trials inside the training window: fit on what came before, score what came after.

    fit ...................|test|          step 1, two weeks
    fit ........................|test|     step 2, two weeks; the window ends here

Hyper-parameters are chosen before the first step, so that no number here has seen its own answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Floats
from ringside.core.contestants.base import Contestant, Sample
from ringside.core.metrics import compute_pinball_loss, compute_skill, is_inside
from ringside.core.quantiles import INSIDE_50, INSIDE_90, MEDIAN

STEPS = 2
STEP_HOURS = 14 * 24
TEST_SHARE = 0.2
"""Share of the rows that are tested at most: a short history keeps the others for the first fit."""


@dataclass(frozen=True)
class Step:
    """Rows to fit on and, after them, rows to forecast; no target of the former is in the latter.

    `start` is the instant from which rows are tested.
    """

    start: np.datetime64
    fit: Sample
    test: Sample


@dataclass(frozen=True)
class TrialScores:
    """How the tested rows went, all of shape (n,): scaled loss, |median error|, both bands."""

    loss: Floats
    abs_error: Floats
    inside_50: NDArray[np.bool_]
    inside_90: NDArray[np.bool_]


def find_steps(sample: Sample) -> list[Step]:
    """Cut the end of a sample into steps, oldest first; shorter ones where the history is short.

    Each row keeps its place in time: a step tests rows whose candle closed at or after its start,
    and fits on rows whose target had come true by then.
    """
    length = min(STEP_HOURS, int(len(sample) * TEST_SHARE) // STEPS)
    closed = sample.open_time + HOUR
    steps = []
    for back in range(STEPS, 0, -1):
        first, stop = len(sample) - back * length, len(sample) - (back - 1) * length
        start = closed[first]
        is_past = closed + sample.horizon * HOUR <= start
        test = np.arange(first, stop)
        steps.append(Step(start, sample.take(np.flatnonzero(is_past)), sample.take(test)))
    return steps


def try_out(contestant: Contestant, test: Sample) -> TrialScores:
    """Score a fitted contestant on the rows of a step."""
    quantiles = contestant.forecast(test.features, test.sigma)
    return TrialScores(
        loss=compute_pinball_loss(test.target, quantiles) / test.sigma,
        abs_error=np.abs(test.target - quantiles[:, MEDIAN]),
        inside_50=is_inside(test.target, *quantiles[:, INSIDE_50].T),
        inside_90=is_inside(test.target, *quantiles[:, INSIDE_90].T),
    )


def join_scores(parts: list[TrialScores]) -> TrialScores:
    """Put the scores of several steps behind one another."""
    names = TrialScores.__annotations__
    return TrialScores(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def describe_scores(own: TrialScores, baselines: Mapping[str, TrialScores]) -> dict[str, float]:
    """Name the figures of a trial as metrics; skills are against baselines on the same rows."""
    return {
        "oos_scaled_loss": float(own.loss.mean()),
        "oos_abs_error": float(own.abs_error.mean()),
        "oos_inside_50_frac": float(own.inside_50.mean()),
        "oos_inside_90_frac": float(own.inside_90.mean()),
        "oos_rows": float(len(own.loss)),
    } | {
        f"oos_skill_{name}": compute_skill(own.loss, baseline.loss)
        for name, baseline in baselines.items()
    }


def compute_importances(
    contestant: Contestant, test: Sample, *, seed: int
) -> Iterator[tuple[str, float]]:
    """Tell, for each column, by what share the loss grows when its rows are shuffled.

    The same for every kind of contestant, and out of sample. Columns that say the same as others
    look unimportant: the others stand in.
    """
    base = try_out(contestant, test).loss.mean()
    order = np.random.default_rng(seed).permutation(len(test))
    for column, name in enumerate(test.names):
        features = test.features.copy()
        features[:, column] = features[order, column]
        shuffled = try_out(contestant, replace(test, features=features)).loss.mean()
        yield name, float(shuffled / base - 1)
