"""The error budget over all titles: how many false claims the gate allows itself."""

from dataclasses import dataclass

from ringside.core.gate.rules import GateRule


@dataclass(frozen=True)
class ErrorBudget:
    """What the bound of one title comes to over several.

    `per_reign` bounds the probability of a false claim per title, reign and kind of claim;
    `expected` the expected number of titles with a false claim of one kind while each of them has
    one reign; `any_title` the probability that at least one has (at most the sum, and at most 1).
    Titles are not pooled and need not be independent.
    """

    titles: int
    per_reign: float
    expected: float
    any_title: float


def find_budget(titles: int, rule: GateRule) -> ErrorBudget:
    """Add up the bounds of `titles` titles.

    Examples:
        >>> find_budget(6, GateRule()).expected
        0.3
    """
    expected = round(titles * rule.alpha, 12)
    return ErrorBudget(titles, rule.alpha, expected, min(expected, 1.0))
