"""Gradient-boosted quantiles of the return, in units of sigma, grown from the EWMA band."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import xgboost

from ringside.core.candles import Floats
from ringside.core.contestants.bands import BAND_FILE, read_band, write_band
from ringside.core.contestants.base import (
    PARAMS_FILE,
    Contestant,
    Params,
    Sample,
    read_params,
    write_params,
)
from ringside.core.contestants.trees import FEW_ROWS, Trees
from ringside.core.quantiles import LEVELS, compute_band, sort_quantiles
from ringside.errors import ModelRefusedError

BOOSTER_FILE = "booster.ubj"
TREES_FILE = "trees.npy"

SETTINGS: dict[str, object] = {
    "objective": "reg:quantileerror",
    "quantile_alpha": np.array(LEVELS),
    "tree_method": "hist",
    "max_depth": 3,
    "max_bin": 64,
    "learning_rate": 0.04,
    "lambda": 5.0,
    "subsample": 0.5,
    "colsample_bytree": 0.4,
    # base_margin carries the band that the trees correct
    "base_score": 0.0,
    # one thread: on a busy machine OpenMP's spinning costs far more than a second core brings
    "nthread": 1,
}


@dataclass(frozen=True)
class XgboostParams(Params):
    """How many trees correct the band, and the share of the rows a leaf must hold.

    The share is that of one hour ahead. It grows with the root of the horizon, because outcomes of
    h hours overlap and n rows hold but n / h of them.
    """

    rounds: int = 80
    leaf_share: float = 0.035


class Xgboost(Contestant):
    """Trees correct the EWMA band row by row; without a pattern they leave it as it is."""

    name = "xgboost"
    is_baseline = False
    params_grid = (XgboostParams(), XgboostParams(rounds=40))

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._booster: xgboost.Booster | None = None
        self._content = b""
        self._trees: Trees | None = None
        self._band = np.zeros(len(LEVELS))

    def fit(self, sample: Sample, *, seed: int) -> None:
        """Fit on the scaled returns, starting from their empirical quantiles."""
        params = cast(XgboostParams, self.params)
        scaled = sample.target / sample.sigma
        self._band = compute_band(scaled)
        data = xgboost.QuantileDMatrix(
            sample.features,
            label=scaled,
            base_margin=np.tile(self._band, (len(sample), 1)),
            max_bin=SETTINGS["max_bin"],
            nthread=1,
        )
        leaf = params.leaf_share * np.sqrt(sample.horizon) * len(sample)
        chosen = {"seed": seed, "min_child_weight": leaf}
        self._booster = xgboost.train(SETTINGS | chosen, data, num_boost_round=params.rounds)

    def forecast(self, features: Floats, sigma: Floats) -> Floats:
        """Forecast in units of sigma and scale back, shape (n, 5).

        Raises:
            ModelRefusedError: The contestant was never fitted, or its booster cannot be read.
        """
        if self._trees is not None and len(features) <= FEW_ROWS:
            scaled = self._trees.sum(features, self._band)
        else:
            scaled = self._require_booster().inplace_predict(
                features,
                base_margin=np.tile(self._band, (len(features), 1)),
                validate_features=False,
            )
        quantiles = np.asarray(scaled, dtype=np.float64).reshape(len(features), len(LEVELS))
        return sort_quantiles(quantiles * sigma[:, None])

    def save(self) -> dict[str, bytes]:
        """Give the booster in XGBoost's own binary JSON, its trees, the band, the parameters."""
        booster = self._require_booster()
        return {
            BOOSTER_FILE: bytes(booster.save_raw(raw_format="ubj")),
            TREES_FILE: Trees.read(booster, levels=len(LEVELS)).to_bytes(),
            BAND_FILE: write_band(self._band),
            PARAMS_FILE: write_params(self.params),
        }

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild from trees and band; the booster is read when many rows are asked for.

        A model of a time before trees were kept has its booster read at once.
        """
        loaded = cls(read_params(files, XgboostParams))
        loaded._band = read_band(files)
        if BOOSTER_FILE not in files:
            raise ModelRefusedError(f"{BOOSTER_FILE} is missing")
        loaded._content = files[BOOSTER_FILE]
        if TREES_FILE not in files:
            loaded._require_booster()
            return loaded
        try:
            loaded._trees = Trees.from_bytes(files[TREES_FILE], levels=len(LEVELS))
        except (ValueError, EOFError) as error:
            raise ModelRefusedError(f"{TREES_FILE} is unreadable: {error}") from error
        return loaded

    def _require_booster(self) -> xgboost.Booster:
        """Give the booster; prediction stays on one thread."""
        if self._booster is None:
            if not self._content:
                raise ModelRefusedError("an xgboost contestant was asked before it was fitted")
            try:
                content = bytearray(self._content)
                self._booster = xgboost.Booster({"nthread": 1}, model_file=content)
            except ValueError as error:
                raise ModelRefusedError(f"{BOOSTER_FILE} is unreadable: {error}") from error
        return self._booster
