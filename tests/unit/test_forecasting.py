"""The one way from features to quantiles: the columns a model takes, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from builders import make_candles
from ringside.core.contestants import Persistence
from ringside.core.features import LOOKBACK, compute_features
from ringside.core.forecasting import forecast_calibrated, forecast_quantiles
from ringside.errors import ModelRefusedError

TABLE = compute_features(make_candles(LOOKBACK, seed=1), rows=3)


class Seeing(Persistence):
    """Tells in its quantiles which columns it was given."""

    def __init__(self, quantiles=None) -> None:
        super().__init__()
        self.quantiles = quantiles

    def forecast(self, features, sigma):
        self.seen = features
        return (
            np.tile(np.arange(5.0), (len(sigma), 1)) if self.quantiles is None else self.quantiles
        )


def test_all_columns_are_given_where_none_are_named():
    model = Seeing()
    assert forecast_quantiles(model, TABLE).tolist() == [[0, 1, 2, 3, 4]] * 3
    assert model.seen is TABLE.values


def test_columns_are_picked_by_name_in_the_order_of_the_model():
    model = Seeing()
    names = (TABLE.names[5], TABLE.names[0])
    forecast_quantiles(model, TABLE, names=names)
    assert model.seen.tolist() == TABLE.values[:, [5, 0]].tolist()


def test_model_of_unknown_columns_is_refused():
    with pytest.raises(ModelRefusedError, match="no such features: moon"):
        forecast_quantiles(Seeing(), TABLE, names=("moon",))


@pytest.mark.parametrize(
    "quantiles",
    [
        np.zeros((3, 4)),
        np.full((3, 5), np.nan),
        np.tile([0, 2, 1, 3, 4.0], (3, 1)),
        np.zeros((2, 5)),
    ],
    ids=["four levels", "not finite", "crossing", "a row too few"],
)  # fmt: skip
def test_nonsense_is_refused(quantiles):
    with pytest.raises(ModelRefusedError, match="cross or are not finite"):
        forecast_quantiles(Seeing(quantiles), replace(TABLE))


def test_shifts_move_what_is_issued_by_sigma_and_the_root_of_the_horizon():
    shifts = [-0.5, 0.0, 0.0, 0.0, 2.0]
    names = (TABLE.names[3],)
    model = Seeing()
    issued = forecast_calibrated(model, TABLE, horizon=4, shifts=shifts, names=names)
    assert model.seen.shape == (3, 1)
    expected = np.arange(5.0) + 2 * TABLE.sigma[:, None] * np.array(shifts)
    assert issued.tolist() == expected.tolist()
    still = forecast_calibrated(model, TABLE, horizon=4, shifts=[0.0] * 5)
    assert still.tolist() == forecast_quantiles(model, TABLE).tolist()
