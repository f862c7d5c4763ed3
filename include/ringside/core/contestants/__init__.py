"""The contestants: one class each behind one small interface."""

from ringside.core.contestants.base import Contestant, Params, Sample
from ringside.core.contestants.linear import Linear
from ringside.core.contestants.persistence import Persistence
from ringside.core.contestants.persistence_ewma import PersistenceEwma
from ringside.core.contestants.xgboost import Xgboost

CONTESTANTS: dict[str, type[Contestant]] = {
    contestant.name: contestant for contestant in (Persistence, PersistenceEwma, Xgboost, Linear)
}

__all__ = [
    "CONTESTANTS",
    "Contestant",
    "Linear",
    "Params",
    "Persistence",
    "PersistenceEwma",
    "Sample",
    "Xgboost",
]
