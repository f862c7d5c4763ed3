"""How every contestant of a title has done, against each baseline on the hours both forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats, Times
from ringside.core.gate.streams import Stream, select_fresh
from ringside.core.metrics import compute_pinball_loss, is_inside
from ringside.core.quantiles import INSIDE_50, INSIDE_90, MEDIAN

INTERVAL_Z = 1.96
LAGS = 7
"""Days over which losses may resemble each other; the interval is widened by what they do."""

FEWEST_DAYS = 14
"""Days with shared hours below which no interval is named."""


@dataclass(frozen=True)
class Track:
    """The scored forecasts of one contestant, one an hour, sorted by `as_of`; columns of length n.

    `loss` is the pinball loss over sigma, `error` that of the median as a log return, `width_*`
    are in sigma, `below` counts the quantiles that the outcome exceeded, 0 to 5.
    """

    as_of: Times
    target_time: Times
    is_live: NDArray[np.bool_]
    loss: Floats
    error: Floats
    inside_50: NDArray[np.bool_]
    inside_90: NDArray[np.bool_]
    width_50: Floats
    width_90: Floats
    below: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.as_of)


@dataclass(frozen=True)
class Against:
    """Skill against one baseline on `hours` shared hours, and its 95 % interval if known."""

    skill: float
    low: float | None
    high: float | None
    hours: int


@dataclass(frozen=True)
class ScorecardRow:
    """How one contestant did on all hours it was scored on; `against` by baseline, None for itself.

    Losses and widths are in units of the hour's sigma, `abs_error` is a log return of the median,
    `inside_*_frac` the share of outcomes inside the bands, `swaps` how often it took the title.
    """

    contestant: str
    hours: int
    live_hours: int
    scaled_loss: float
    abs_error: float
    inside_50_frac: float
    inside_90_frac: float
    width_50: float
    width_90: float
    against: Mapping[str, Against | None]
    swaps: int


def make_tracks(rows: Mapping[str, Stream]) -> dict[str, Track]:
    """Make the track of each contestant that has a sound scored hour.

    An hour counts once: what was issued live by the newest version, else what was replayed.
    """
    tracks = {name: _make_track(select_fresh(stream)) for name, stream in rows.items()}
    return {name: track for name, track in tracks.items() if len(track)}


def compute_scorecard(
    tracks: Mapping[str, Track], *, baselines: Sequence[str], swaps: Mapping[str, int]
) -> list[ScorecardRow]:
    """Sum the tracks up, the most skilful against the first baseline first."""
    rows = [
        ScorecardRow(
            contestant=name,
            hours=len(track),
            live_hours=int(track.is_live.sum()),
            scaled_loss=float(track.loss.mean()),
            abs_error=float(np.abs(track.error).mean()),
            inside_50_frac=float(track.inside_50.mean()),
            inside_90_frac=float(track.inside_90.mean()),
            width_50=float(track.width_50.mean()),
            width_90=float(track.width_90.mean()),
            against={
                base: None if base == name else _compare(track, tracks.get(base))
                for base in baselines
            },
            swaps=swaps.get(name, 0),
        )
        for name, track in tracks.items()
    ]
    return sorted(rows, key=lambda row: _find_rank(row, baselines[0]))


def find_shared_losses(one: Track, other: Track) -> tuple[Times, Floats, Floats]:
    """Cut two tracks to the hours that both have: `as_of` and both losses, shape (n,)."""
    hours, mine, theirs = np.intersect1d(
        one.as_of, other.as_of, assume_unique=True, return_indices=True
    )
    return hours, one.loss[mine], other.loss[theirs]


def compute_interval(as_of: Times, loss: Floats, base: Floats) -> tuple[float, float] | None:
    """Compute a 95 % interval of the skill, from sums over days.

    The ratio is linearised; the variance of its daily parts allows for `LAGS` days of resemblance.

    Returns:
        None with fewer than `FEWEST_DAYS` days, or where the baseline lost nothing.

    Source: Newey and West (1987), Bartlett weights; the delta method for a ratio of sums.
    """
    days, place = np.unique(as_of.astype("datetime64[D]"), return_inverse=True)
    total = float(base.sum())
    if len(days) < FEWEST_DAYS or total <= 0:
        return None
    own, naive = np.bincount(place, loss), np.bincount(place, base)
    ratio = float(own.sum()) / total
    parts = own - ratio * naive
    variance = float(parts @ parts)
    for lag in range(1, LAGS + 1):
        weight = 1 - lag / (LAGS + 1)
        variance += 2 * weight * float(parts[lag:] @ parts[:-lag])
    reach = INTERVAL_Z * float(np.sqrt(max(variance, 0.0))) / total
    return 1 - ratio - reach, 1 - ratio + reach


def _make_track(rows: Stream) -> Track:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        loss = compute_pinball_loss(rows.realised, rows.quantiles) / rows.sigma
    good = np.isfinite(loss) & np.isfinite(rows.quantiles).all(axis=1) & (rows.sigma > 0)
    kept, loss = rows.take(good), loss[good]
    quantiles, realised = kept.quantiles, kept.realised
    low_50, high_50 = quantiles[:, INSIDE_50].T
    low_90, high_90 = quantiles[:, INSIDE_90].T
    return Track(
        as_of=kept.as_of,
        target_time=kept.target_time,
        is_live=kept.is_live,
        loss=loss,
        error=realised - quantiles[:, MEDIAN],
        inside_50=is_inside(realised, low_50, high_50),
        inside_90=is_inside(realised, low_90, high_90),
        width_50=(high_50 - low_50) / kept.sigma,
        width_90=(high_90 - low_90) / kept.sigma,
        below=(quantiles < realised[:, None]).sum(axis=1),
    )


def _compare(track: Track, base: Track | None) -> Against | None:
    if base is None:
        return None
    hours, loss, naive = find_shared_losses(track, base)
    total = float(naive.sum())
    if total <= 0:
        return None
    low, high = compute_interval(hours, loss, naive) or (None, None)
    return Against(1 - float(loss.sum()) / total, low, high, len(hours))


def _find_rank(row: ScorecardRow, baseline: str) -> tuple[float, str]:
    against = row.against[baseline]
    if row.contestant == baseline:
        return 0.0, row.contestant
    return np.inf if against is None else -against.skill, row.contestant
