"""Linear quantile regression of the return, in units of sigma, drawn towards the EWMA band."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

import numpy as np

from ringside.core.candles import Floats
from ringside.core.contestants.base import (
    PARAMS_FILE,
    Contestant,
    Params,
    Sample,
    read_params,
    write_params,
)
from ringside.core.quantiles import LEVELS, compute_band, sort_quantiles
from ringside.errors import ModelRefusedError

WEIGHTS_FILE = "linear.json"

SMOOTHING = 0.25
"""Width over which the corner of the pinball loss is rounded, in units of predictable volatility:
a loss with a slope everywhere has one minimum and is found in a dozen Newton steps."""

CLIP = 4.0
"""Standard deviations beyond which an input says no more than at that distance."""

CYCLES = {"hour_of_day": (24.0, 3), "day_of_week": (7.0, 2)}
"""Columns that run in a circle: their period, and how many waves stand for them."""


@dataclass(frozen=True)
class LinearParams(Params):
    """How strongly coefficients are drawn to zero, that is to the EWMA band.

    The pull is that of one hour ahead and grows with the horizon, as overlapping outcomes leave
    but n / h of n rows.
    """

    ridge: float = 0.004


@dataclass(frozen=True)
class _Weights:
    """A fitted state: `centre`, `scale` (k,) of the inputs; `slopes` (5, k); `intercepts` (5,)."""

    names: tuple[str, ...]
    horizon: int
    centre: Floats
    scale: Floats
    slopes: Floats
    intercepts: Floats


class Linear(Contestant):
    """Each quantile is a weighted sum of standardised inputs, times sigma."""

    name = "linear"
    is_baseline = False
    params_grid = (LinearParams(), LinearParams(ridge=0.02))

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._weights: _Weights | None = None

    def fit(self, sample: Sample, *, seed: int) -> None:
        """Fit level by level from the band on; nothing is random, `seed` is not used."""
        del seed
        inputs = _spread_cycles(sample.features, sample.names)
        centre, scale = _find_scale(inputs)
        inputs = _standardise(inputs, centre, scale)
        scaled = sample.target / (sample.sigma * np.sqrt(sample.horizon))
        pull = cast(LinearParams, self.params).ridge * sample.horizon
        slopes = np.stack(
            [
                _fit_slopes(inputs, scaled - start, level=level, pull=pull)
                for level, start in zip(LEVELS, compute_band(scaled), strict=True)
            ]
        )
        # rounding the corner biases the level alone; the rows themselves say where it belongs
        left = scaled[:, None] - inputs @ slopes.T
        intercepts = np.array([np.quantile(left[:, i], level) for i, level in enumerate(LEVELS)])
        self._weights = _Weights(sample.names, sample.horizon, centre, scale, slopes, intercepts)

    def forecast(self, features: Floats, sigma: Floats) -> Floats:
        """Forecast in units of sigma * sqrt(horizon) and scale back, shape (n, 5).

        Raises:
            ModelRefusedError: The contestant was never fitted.
        """
        weights = self._require_weights()
        inputs = _spread_cycles(features, weights.names)
        inputs = _standardise(inputs, weights.centre, weights.scale)
        # summed row by row: a matrix product of one row may round otherwise than that of many
        scaled = (inputs[:, None, :] * weights.slopes).sum(axis=2) + weights.intercepts
        return sort_quantiles(scaled * (sigma * np.sqrt(weights.horizon))[:, None])

    def save(self) -> dict[str, bytes]:
        """Give the weights as JSON; the numbers survive to the last bit."""
        weights = self._require_weights()
        arrays = {name: getattr(weights, name).tolist() for name in _ARRAYS}
        content = {"names": weights.names, "horizon": weights.horizon} | arrays
        return {
            WEIGHTS_FILE: json.dumps(content, indent=1).encode(),
            PARAMS_FILE: write_params(self.params),
        }

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild from the JSON weights."""
        loaded = cls(read_params(files, LinearParams))
        loaded._weights = _read_weights(files)
        return loaded

    def _require_weights(self) -> _Weights:
        if self._weights is None:
            raise ModelRefusedError("a linear contestant was asked before it was fitted")
        return self._weights


_ARRAYS = ("centre", "scale", "slopes", "intercepts")


def _read_weights(files: Mapping[str, bytes]) -> _Weights:
    try:
        content = json.loads(files[WEIGHTS_FILE])
        arrays = {name: np.asarray(content[name], dtype=np.float64) for name in _ARRAYS}
        weights = _Weights(tuple(content["names"]), int(content["horizon"]), **arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefusedError(f"{WEIGHTS_FILE} is missing or no weights: {error}") from error
    width, levels = weights.centre.size, len(LEVELS)
    shapes = [getattr(weights, name).shape for name in _ARRAYS]
    is_finite = all(np.isfinite(array).all() for array in arrays.values())
    if shapes != [(width,), (width,), (levels, width), (levels,)] or not is_finite:
        raise ModelRefusedError(f"{WEIGHTS_FILE} holds weights that do not fit together")
    return weights


def _spread_cycles(features: Floats, names: tuple[str, ...]) -> Floats:
    """Put waves in the place of the columns that run in a circle."""
    columns: list[Floats] = []
    for i, name in enumerate(names):
        if name not in CYCLES:
            columns.append(features[:, i])
            continue
        period, waves = CYCLES[name]
        for wave in range(1, waves + 1):
            angle = 2 * np.pi * wave * features[:, i] / period
            columns += [np.sin(angle), np.cos(angle)]
    return np.column_stack(columns)


def _find_scale(inputs: Floats) -> tuple[Floats, Floats]:
    """Find mean and standard deviation of each column where it is known; 0 and 1 where never."""
    known = np.isfinite(inputs)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, inputs, 0.0).sum(axis=0) / count
    spread = np.where(known, inputs - centre, 0.0)
    deviation = np.sqrt((spread**2).sum(axis=0) / count)
    return centre, np.where(deviation > 0, deviation, 1.0)


def _standardise(inputs: Floats, centre: Floats, scale: Floats) -> Floats:
    """Scale inputs; what is missing stands at the mean and so moves no quantile."""
    standard = np.clip((inputs - centre) / scale, -CLIP, CLIP)
    return np.where(np.isfinite(inputs), standard, 0.0)


def _fit_slopes(inputs: Floats, left: Floats, *, level: float, pull: float) -> Floats:
    """Minimise the rounded pinball loss of `left` plus a ridge penalty; give slopes (k,).

    Source: convolution-smoothed quantile regression, He, Pan, Tan and Zhou (2023).
    """
    # kept out of serving: forecasting needs numpy alone
    from scipy.optimize import minimize
    from scipy.special import expit

    design = np.column_stack([np.ones(len(left)), inputs])
    ridge = np.full(design.shape[1], 2 * pull)
    ridge[0] = 0.0
    rows = len(left)

    def loss(weights: Floats) -> tuple[float, Floats]:
        miss = left - design @ weights
        rounded = level * miss + SMOOTHING * np.logaddexp(0.0, -miss / SMOOTHING)
        slope = level - expit(-miss / SMOOTHING)
        penalty = ridge * weights
        return rounded.mean() + 0.5 * (penalty * weights).sum(), penalty - design.T @ slope / rows

    def curvature(weights: Floats) -> Floats:
        below = expit(-(left - design @ weights) / SMOOTHING)
        bend = below * (1 - below) / (SMOOTHING * rows)
        bent: Floats = (design * bend[:, None]).T @ design + np.diag(ridge)
        return bent

    found = minimize(
        loss, np.zeros(len(ridge)), jac=True, hess=curvature, method="trust-exact", tol=1e-7
    )
    slopes: Floats = found.x[1:]
    return slopes
