"""The naive contestant: the price stays, and the band is that of the training window."""

from collections.abc import Mapping
from typing import Self

import numpy as np

from ringside.core.candles import Floats
from ringside.core.contestants.bands import BAND_FILE, read_band, write_band
from ringside.core.contestants.base import Contestant, Params, Sample
from ringside.core.quantiles import LEVELS, compute_band


class Persistence(Contestant):
    """Zero median and one constant empirical band of returns."""

    name = "persistence"
    is_baseline = True

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._band = np.zeros(len(LEVELS))

    def fit(self, sample: Sample, *, seed: int) -> None:
        """Take the quantiles of the sample's returns; nothing is random, `seed` is not used."""
        del seed
        self._band = compute_band(sample.target)

    def forecast(self, features: Floats, sigma: Floats) -> Floats:
        """Repeat the band for each row, shape (n, 5)."""
        return np.tile(self._band, (len(features), 1))

    def save(self) -> dict[str, bytes]:
        """Give the band as JSON."""
        return {BAND_FILE: write_band(self._band)}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild from the JSON band."""
        loaded = cls()
        loaded._band = read_band(files)
        return loaded
