"""Leaks planted on purpose in every training run, and the detectors that must flag them.

A detector that flags nothing is as good as none, and nobody would notice. So each run first plants
a leak in a copy of its own rows and asks the detector about it; then the same detector looks at the
real rows. Three of them:

- *The future in a column, by its loss.* Who saves more than `PLAUSIBLE_SKILL` of the EWMA band's
  loss out of sample has seen the answer. Crude, but it needs to know nothing of how a leak came in.
- *The future in a column, by blindness.* A feature that is recomputed without the hours after its
  row must not change by a bit. Exact, for whatever the feature functions do.
- *The target, by copying the last price.* Who copies the last price must score exactly what
  persistence scores, row by row, when the outcome is looked up anew in the candles. A target
  shifted by a single hour breaks that.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Candles, Floats, Times
from ringside.core.contestants import Contestant, Persistence, PersistenceEwma, Sample
from ringside.core.features import LOOKBACK, FeatureTable
from ringside.core.metrics import compute_pinball_loss, compute_skill
from ringside.core.trials import find_steps, try_out
from ringside.errors import CanaryMissedError, LeakFoundError

PLAUSIBLE_SKILL = 0.45
"""Share of the EWMA band's loss that a forecast can save. Hourly markets give 2 %, momentum of 0.8
from hour to hour 35 %; knowing the answer itself 50 to 70 %, as small trees are slow learners."""

CANARY_ROWS = 2160
"""Newest rows that the planted column is fitted on: ninety days, so that it costs little."""

COPIES = 4
"""Planted columns; trees that are shown a share of the columns must not miss it."""

PROBED_HOURS = (1, 25, 60)
"""Hours before the last candle at which blindness is probed."""

PEEKING = "canary_next_return"

Compute = Callable[[Candles], FeatureTable]


@dataclass(frozen=True)
class CanaryFacts:
    """What the canaries showed: the skill that the answer itself gave, and rows of shifted target.

    `shifted_rows` of `rows` broke the equality with persistence when the target was shifted.
    """

    planted_skill: float
    shifted_rows: int
    rows: int


def require_canaries(
    kind: Callable[[], Contestant], sample: Sample, candles: Candles, *, seed: int
) -> CanaryFacts:
    """Plant each leak in a copy of the sample, and require that its detector flags it.

    Raises:
        CanaryMissedError: A planted leak was not flagged.
        LeakFoundError: The target of the real sample is not the move of its own hours.
    """
    strays = find_strays(sample, candles)
    if strays:
        raise LeakFoundError(
            f"{strays} of {len(sample)} targets at horizon {sample.horizon} are not the move from "
            "their own close: copying the last price scores other than persistence",
            rows=strays,
        )
    shifted = find_strays(shift_target(sample), candles)
    if not shifted:
        raise CanaryMissedError("a target shifted by one hour was not flagged", canary="target")
    skill = measure_planted_skill(kind, sample, seed=seed)
    if not is_implausible(skill):
        raise CanaryMissedError(
            f"a column that holds the answer saved {skill:.0%} of the loss out of sample and "
            f"was not flagged: from {PLAUSIBLE_SKILL:.0%} on it is",
            canary="column",
            skill=skill,
        )
    return CanaryFacts(skill, shifted, len(sample))


def is_implausible(skill: float) -> bool:
    """Whether a skill against the EWMA band, out of sample, is too good to be true."""
    return skill > PLAUSIBLE_SKILL


def measure_planted_skill(kind: Callable[[], Contestant], sample: Sample, *, seed: int) -> float:
    """Fit with a column that holds the answer; give the skill it brings out of sample."""
    step = find_steps(plant_answer(sample.take(np.arange(len(sample))[-CANARY_ROWS:])))[-1]
    contestant, baseline = kind(), PersistenceEwma()
    for one in (contestant, baseline):
        one.fit(step.fit, seed=seed)
    return compute_skill(try_out(contestant, step.test).loss, try_out(baseline, step.test).loss)


def plant_answer(sample: Sample) -> Sample:
    """Add columns that hold each row's own target, in units of sigma."""
    answer = np.repeat((sample.target / sample.sigma)[:, None], COPIES, axis=1)
    names = tuple(f"canary_{number}" for number in range(COPIES))
    return replace(
        sample, features=np.hstack([sample.features, answer]), names=(*sample.names, *names)
    )


def shift_target(sample: Sample) -> Sample:
    """Give each row the target of the row before it; the first row gets the last one's."""
    return replace(sample, target=np.roll(sample.target, 1))


def find_strays(sample: Sample, candles: Candles) -> int:
    """Count the rows on which copying the last price does not score what persistence scores.

    The copy's outcome is looked up in the candles by the hours themselves; persistence's is the
    sample's target. Both have the band that persistence fitted.
    """
    persistence = Persistence()
    persistence.fit(sample, seed=0)
    quantiles = persistence.forecast(sample.features, sample.sigma)
    ends = sample.open_time + sample.horizon * HOUR
    moved = np.log(_find_close(candles, ends)) - np.log(_find_close(candles, sample.open_time))
    own = compute_pinball_loss(sample.target, quantiles)
    return int((compute_pinball_loss(moved, quantiles) != own).sum())


def find_peeking(compute: Compute, candles: Candles) -> tuple[str, ...]:
    """Name the columns that change at past hours when the hours after them are not there.

    Args:
        compute: Computes a table from candles, and from what else was known at their end.
        candles: The history; its last hours are probed.
    """
    window = candles.take(candles.open_time > candles.open_time[-1] - (LOOKBACK + 72) * HOUR)
    whole = compute(window)
    peeking = set()
    for back in PROBED_HOURS:
        past = window.take(window.open_time <= window.open_time[-1] - back * HOUR)
        if len(past) == 0:
            continue
        alone = compute(past)
        row = int((past.open_time[-1] - whole.open_time[0]) / HOUR)
        same = _are_same(whole.values[row], alone.values[-1])
        peeking |= {name for name, is_same in zip(whole.names, same, strict=True) if not is_same}
        if not _are_same(whole.sigma[row : row + 1], alone.sigma[-1:])[0]:
            peeking.add("sigma")
    return tuple(sorted(peeking))


def require_blindness(compute: Compute, candles: Candles) -> None:
    """Require that no feature sees the future, and that one which does would be found.

    Raises:
        CanaryMissedError: A planted column of the next hour's return was not flagged.
        LeakFoundError: A real feature changes with what came after it.
    """
    if PEEKING not in find_peeking(plant_peeking(compute), candles):
        raise CanaryMissedError(
            "a column of the next hour's return was not flagged", canary=PEEKING
        )
    peeking = find_peeking(compute, candles)
    if peeking:
        raise LeakFoundError(
            f"features that change with the hours after them: {', '.join(peeking)}",
            features=peeking,
        )


def plant_peeking(compute: Compute) -> Compute:
    """Add a column that forgot its shift: the return of the hour after the row."""

    def compute_planted(candles: Candles) -> FeatureTable:
        table = compute(candles)
        after = np.append(np.diff(np.log(table.close)), np.nan)
        return replace(
            table,
            names=(*table.names, PEEKING),
            values=np.column_stack([table.values, after]),
        )

    return compute_planted


def _are_same(some: Floats, others: Floats) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (some == others) | (np.isnan(some) & np.isnan(others))
    return same


def _find_close(candles: Candles, open_time: Times) -> Floats:
    """Look the closes of hours up; NaN where there is no candle."""
    place = np.searchsorted(candles.open_time, open_time)
    inside = np.minimum(place, len(candles) - 1)
    is_there = candles.open_time[inside] == open_time
    return np.where(is_there, candles.close[inside], np.nan)
