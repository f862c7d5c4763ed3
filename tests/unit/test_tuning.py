"""Tuning: folds that do not leak, a default that noise does not move, one that truth does."""

from dataclasses import dataclass

import numpy as np
import pytest

from builders import make_candles
from ringside.core.candles import HOUR
from ringside.core.contestants import CONTESTANTS, Params, Persistence, PersistenceEwma
from ringside.core.features import FeatureTable, compute_features
from ringside.core.tuning import FOLDS, choose_params, make_folds

DAYS = 80
AS_OF = np.datetime64("2025-04-01T00", "s")


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    """Hours up to ten days after `AS_OF`."""
    return compute_features(make_candles(100 * 24, seed=3))


@dataclass(frozen=True)
class Width(Params):
    """By how much a band is stretched."""

    stretch: float


class Stretched(PersistenceEwma):
    """The EWMA band made too wide or too narrow by a parameter."""

    params_grid = (Width(1.0), Width(3.0), Width(0.3))

    def forecast(self, features, sigma):
        return super().forecast(features, sigma) * self.params.stretch


class Spoiled(Stretched):
    params_grid = (Width(3.0), Width(1.0))


class Tied(Stretched):
    params_grid = (Width(1.0), Width(1.0))


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_no_hour_lies_in_outcomes_of_both_parts_of_a_fold(table, horizon):
    folds = list(make_folds(table, horizon=horizon, as_of=AS_OF, train_days=DAYS))
    assert len(folds) == FOLDS
    for fold in folds:
        last_known = fold.train.open_time[-1] + HOUR + horizon * HOUR
        first_asked = fold.test.open_time[0] + HOUR
        assert last_known < first_asked
        assert fold.train.open_time[0] + HOUR > AS_OF - np.timedelta64(DAYS, "D")
        assert fold.test.open_time[-1] + HOUR + horizon * HOUR <= AS_OF
    starts = [fold.test.open_time[0] for fold in folds]
    assert starts == sorted(set(starts))


def test_what_comes_after_as_of_changes_no_choice(table):
    known = table.take(np.flatnonzero(table.open_time + HOUR <= AS_OF))
    choices = [
        choose_params(Spoiled, rows, horizon=6, as_of=AS_OF, train_days=DAYS, seed=1)
        for rows in (table, known)
    ]
    assert choices[0] == choices[1]


def test_spoiled_default_is_replaced_and_a_good_one_stays(table):
    options = {"horizon": 1, "as_of": AS_OF, "train_days": DAYS, "seed": 1}
    assert choose_params(Spoiled, table, **options).params == Width(1.0)
    choice = choose_params(Stretched, table, **options)
    assert choice.params == Width(1.0)
    assert np.shape(choice.losses) == (3, FOLDS)
    assert np.mean(choice.losses[0]) < min(np.mean(choice.losses[1:], axis=1))


def test_candidates_that_tie_leave_the_default(table):
    choice = choose_params(Tied, table, horizon=1, as_of=AS_OF, train_days=DAYS, seed=1)
    assert choice.params is Tied.params_grid[0]


def test_nothing_is_tried_with_one_candidate_or_too_little_history(table):
    options = {"horizon": 1, "as_of": AS_OF, "seed": 1}
    assert choose_params(Persistence, table, train_days=DAYS, **options).losses == ()
    short = choose_params(Stretched, table, train_days=9, **options)
    assert (short.params, short.losses) == (Width(1.0), ())


@pytest.mark.parametrize("name", CONTESTANTS)
def test_choice_is_the_same_twice_and_makes_a_contestant(table, name):
    kind = CONTESTANTS[name]
    options = {"horizon": 6, "as_of": AS_OF, "train_days": 40, "seed": 1}
    choice = choose_params(kind, table, **options)
    assert choice == choose_params(kind, table, **options)
    assert kind(choice.params).params in kind.params_grid
