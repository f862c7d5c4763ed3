"""Choosing a contestant's few hyper-parameters inside its training window, never beyond it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ringside.core.candles import HOUR
from ringside.core.contestants.base import Contestant, Params, Sample
from ringside.core.features import FeatureTable
from ringside.core.metrics import compute_pinball_loss
from ringside.core.splits import make_sample

FOLDS = 3
FOLD_SHARE = 0.15
"""Share of the window that one fold forecasts; the folds are the newest part of it."""

MIN_FIT_ROWS = 240
"""Rows a fold must have to fit on, and a tenth of them to forecast; else nothing is tried."""


@dataclass(frozen=True)
class Choice:
    """What was chosen: the parameters, and the scaled loss of each candidate in each fold.

    `losses` has one tuple per entry of the contestant's `params_grid`, in its order, with one mean
    scaled pinball loss per fold, oldest fold first. It is empty where nothing was tried: the grid
    has but one entry, or the window is too short.
    """

    params: Params
    losses: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Fold:
    """Rows to fit on, and later rows to forecast with an embargo between."""

    train: Sample
    test: Sample


def make_folds(
    table: FeatureTable, *, horizon: int, as_of: np.datetime64, train_days: int
) -> Iterator[Fold]:
    """Cut the newest part of a training window into folds, oldest first.

        fit ...............|embargo|forecast|                        fold 1
        fit ........................|embargo|forecast|               fold 2
        fit .................................|embargo|forecast|      fold 3, ends at `as_of`

    Purged: a row is fitted on when its outcome was known where the embargo begins. Embargoed: the
    first forecast stands `horizon` hours later, so that no hour lies in the outcomes of both.
    Outcomes that were not known at `as_of` are in no fold.
    """
    window = np.timedelta64(train_days * 24, "h")
    stretch = np.timedelta64(round(train_days * 24 * FOLD_SHARE), "h")
    known = make_sample(table, horizon=horizon, as_of=as_of, train_days=train_days)
    closed = known.open_time + HOUR
    for back in range(FOLDS, 0, -1):
        start = as_of - back * stretch
        days = int((start - (as_of - window)) / np.timedelta64(1, "D"))
        train = make_sample(table, horizon=horizon, as_of=start, train_days=days)
        is_test = (closed > start + horizon * HOUR) & (closed <= start + stretch)
        test = known.take(np.flatnonzero(is_test))
        if len(train) >= MIN_FIT_ROWS and len(test) >= MIN_FIT_ROWS // 10:
            yield Fold(train, test)


def choose_params(
    kind: type[Contestant],
    table: FeatureTable,
    *,
    horizon: int,
    as_of: np.datetime64,
    train_days: int,
    seed: int,
) -> Choice:
    """Choose from `kind.params_grid` by walking forward inside the window that ends at `as_of`.

    The first entry is the default. Another replaces it only when it loses less by more than one
    standard error of the difference over the folds: three folds of noise must not choose.

    Args:
        kind: The contestant; a fresh one is made as `kind(choice.params)`.
        table: Features of the window's hours; later ones are not looked at.
        horizon: Candles ahead.
        as_of: Nothing later than this is known.
        train_days: Days of rows that the fit after the choice will take.
        seed: Seed of every fit.
    """
    default = kind.params_grid[0]
    if len(kind.params_grid) == 1:
        return Choice(default)
    folds = list(make_folds(table, horizon=horizon, as_of=as_of, train_days=train_days))
    if len(folds) < FOLDS:
        return Choice(default)
    losses = np.array(
        [[_measure(kind(params), fold, seed) for fold in folds] for params in kind.params_grid]
    )
    saved = losses[0] - losses
    error = saved.std(axis=1, ddof=1) / np.sqrt(len(folds))
    # the default stands at zero: it wins where no other clears its error
    best = int(np.argmax(saved.mean(axis=1) - error))
    return Choice(kind.params_grid[best], tuple(map(tuple, losses.tolist())))


def _measure(contestant: Contestant, fold: Fold, seed: int) -> float:
    contestant.fit(fold.train, seed=seed)
    quantiles = contestant.forecast(fold.test.features, fold.test.sigma)
    return float((compute_pinball_loss(fold.test.target, quantiles) / fold.test.sigma).mean())
