"""Titles: one per series and horizon, and the names under which the registry knows them."""

from dataclasses import dataclass

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS_CHAMPION = "previous-champion"

BASELINES = ("persistence", "persistence_ewma")
CHALLENGING = "xgboost"
"""The contestant whose newest version carries the alias `challenger`; others carry their name."""

FIRST_CHAMPION = "persistence"

MODEL_PREFIX = "ringside."


@dataclass(frozen=True, order=True)
class Title:
    """The title of one series at one horizon (candles ahead).

    Examples:
        >>> Title("BTC/USDT", 6).model_name
        'ringside.BTCUSDT.h6'
    """

    symbol: str
    horizon: int

    @property
    def model_name(self) -> str:
        """Name of the registered model that holds every version fighting for this title."""
        return f"{MODEL_PREFIX}{self.symbol.replace('/', '')}.h{self.horizon}"


def find_alias(contestant: str) -> str:
    """Name the alias of a contestant's newest version; MLflow aliases take no underscore here.

    Examples:
        >>> find_alias("persistence_ewma"), find_alias("xgboost")
        ('persistence-ewma', 'xgboost')
    """
    return contestant.replace("_", "-")


SHADOWS = 4
"""Newest versions of each recipe that keep forecasting; of weekly ones, one is two weeks old."""


def list_ring_aliases(contestant: str) -> tuple[str, ...]:
    """Name the aliases of a recipe's newest versions in the ring, newest first.

    Examples:
        >>> list_ring_aliases("persistence_ewma")[:2]
        ('persistence-ewma', 'persistence-ewma-2')
    """
    newest = find_alias(contestant)
    return (newest, *(f"{newest}-{place}" for place in range(2, SHADOWS + 1)))
