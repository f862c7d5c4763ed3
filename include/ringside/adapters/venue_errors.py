"""Sorts what a venue answers instead of candles by the reaction it calls for.

- Ask again, after the venue's own wait where it names one: `SourceUnavailableError`,
  `RateLimitedError`.
- Fail at once: `SettingsError`, `VenueRequestError`.
- Ask another venue: `VenueBlockedError`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING

from ringside.errors import (
    RateLimitedError,
    RingsideError,
    SettingsError,
    SourceUnavailableError,
    VenueBlockedError,
    VenueRequestError,
)

if TYPE_CHECKING:
    from requests import Response

_SLOW_DOWN = {418, 429}
_NOT_FROM_HERE = {403, 410, 451}
# Binance: "This service is no longer available." ccxt takes it for a wrong request.
_SHUT_DOWN = re.compile(r'"code"\s*:\s*-1016\b')
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_ADDRESS = re.compile(r"\bIP\([^)]*\)|(?<!//)\b(?:\d{1,3}\.){3}[\dx]{1,5}\b")


@dataclass(frozen=True)
class Answer:
    """The HTTP answer behind an error; status 0 where there was none, or it said 200."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@contextmanager
def mapped_errors(venue: str, asked_for: str) -> Iterator[None]:
    """Turn what ccxt raises into our errors; the messages name the venue and what to do."""
    import ccxt

    try:
        yield
    except ccxt.BaseError as error:
        raise sort_error(venue, asked_for, error) from error
    # ccxt stumbles over an answer that is not what it expects, such as a page of HTML.
    except (TypeError, LookupError, AttributeError, ValueError) as error:
        raise SourceUnavailableError(
            f"{venue} answered, but not with {asked_for}: {error}", venue=venue
        ) from error


def sort_error(venue: str, asked_for: str, error: Exception) -> RingsideError:
    """Give the error of ours for one of ccxt's, by its class and the HTTP answer behind it."""
    import ccxt

    answer = find_answer(error)
    reason = describe(error)
    blocked = (ccxt.RestrictedLocation, ccxt.AuthenticationError, ccxt.NotSupported)
    slow_down = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
    is_shut_down = _SHUT_DOWN.search(answer.body or str(error)) is not None
    # The status goes first: ccxt takes any 403 of Bybit for a matter of pace.
    if answer.status in _NOT_FROM_HERE or is_shut_down or isinstance(error, blocked):
        return VenueBlockedError(
            f"{venue} refuses us: {reason}; name another venue in RINGSIDE_SERIES_VENUES or"
            " RINGSIDE_VENUE, or another RINGSIDE_SOURCE",
            venue=venue,
        )
    if answer.status in _SLOW_DOWN or isinstance(error, slow_down):
        wait = find_wait_s(answer, now_s=time())
        asks = "" if wait is None else f", for {wait:.0f} s"
        return RateLimitedError(
            f"{venue} asks us to slow down{asks}: {reason}", venue=venue, retry_after_s=wait
        )
    if isinstance(error, ccxt.BadSymbol) or "Unknown asset pair" in str(error):
        return SettingsError(
            f"{venue} does not trade {asked_for}; set RINGSIDE_SERIES to symbols it trades",
            venue=venue,
        )
    if isinstance(error, ccxt.BadRequest):
        return VenueRequestError(
            f"{venue} calls the request for {asked_for} wrong: {reason}", venue=venue
        )
    return SourceUnavailableError(f"{venue} did not answer: {reason}", venue=venue)


def find_answer(error: BaseException) -> Answer:
    """Find the HTTP answer that `error` came from; ccxt keeps it in the chain of exceptions."""
    link: BaseException | None = error
    while link is not None:
        response: Response | None = getattr(link, "response", None)
        if response is not None:
            return Answer(response.status_code, response.headers, response.text)
        link = link.__cause__ or link.__context__
    return Answer()


def find_wait_s(answer: Answer, *, now_s: float) -> float | None:
    """Find how long the venue asks us to wait, in seconds; None where it names no time.

    `Retry-After` is a number of seconds or a date; Binance also names the end of a ban in its text,
    in milliseconds since 1970. The longer of the two counts.
    """
    waits = []
    named = answer.headers.get("Retry-After", "").strip()
    if named.isdigit():
        waits.append(float(named))
    elif named:
        try:
            waits.append(parsedate_to_datetime(named).timestamp() - now_s)
        except ValueError:
            waits = []
    banned = _BANNED_UNTIL.search(answer.body)
    if banned:
        waits.append(int(banned[1]) / 1000 - now_s)
    return max(0.0, *waits) if waits else None


def describe(error: Exception) -> str:
    """Give a short reason: the first line of the text, which may hold a whole page.

    The venue may name the address of this machine in it; that is masked.
    """
    lines = _ADDRESS.sub("our address", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
