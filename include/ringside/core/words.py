"""Sentences for people, each in English and in Korean."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The same statement in both languages of the pages."""

    en: str
    ko: str


def describe_title(symbol: str, horizon: int) -> Words:
    """Name a title the way charts and pages do.

    Examples:
        >>> describe_title("BTC/USDT", 6)
        Words(en='BTC/USDT, 6 hours ahead', ko='BTC/USDT 6시간 뒤 예측')
    """
    hours = "1 hour" if horizon == 1 else f"{horizon} hours"
    return Words(f"{symbol}, {hours} ahead", f"{symbol} {horizon}시간 뒤 예측")


def of_title(symbol: str, horizon: int, claim: Words) -> Words:
    """Put the name of a title before a claim about it."""
    name = describe_title(symbol, horizon)
    return Words(f"{name.en}: {claim.en}", f"{name.ko}: {claim.ko}")
