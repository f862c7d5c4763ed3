"""Persistence whose band breathes with recent volatility."""

import numpy as np

from ringside.core.candles import Floats
from ringside.core.contestants.base import Sample
from ringside.core.contestants.persistence import Persistence
from ringside.core.quantiles import compute_band


class PersistenceEwma(Persistence):
    """Zero median; the band is that of returns over sigma, times the sigma known at each row."""

    name = "persistence_ewma"

    def fit(self, sample: Sample, *, seed: int) -> None:
        """Take the quantiles of the scaled returns; nothing is random, `seed` is not used."""
        del seed
        self._band = compute_band(sample.target / sample.sigma)

    def forecast(self, features: Floats, sigma: Floats) -> Floats:
        """Scale the band by each row's sigma, shape (n, 5)."""
        return np.outer(sigma, self._band)
