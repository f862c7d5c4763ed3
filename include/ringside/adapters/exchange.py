"""The source `exchange`: hourly candles of a venue through ccxt."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from ringside.core.candles import Candles
from ringside.errors import RingsideError, SettingsError, SourceUnavailableError

if TYPE_CHECKING:
    from ccxt import Exchange

_HOUR_MS = 3_600_000
_PAGE = 1_000  # candles per request; a venue that gives fewer is asked more often
_TIMEOUT_S = 20.0


class ExchangeSource:
    """Candles of one venue; prices are what it publishes now, revisions included."""

    def __init__(self, venue: str, client: "Exchange | None" = None) -> None:
        """Take the ccxt id of the venue and, in tests, the ccxt client to use."""
        self.venue = venue
        self._given_client = client

    @cached_property
    def _client(self) -> "Exchange":
        return self._given_client or make_client(self.venue)

    def fetch(self, symbol: str, start: datetime, end: datetime, as_of: datetime) -> Candles:
        """Fetch open times in [start, end) page by page; the forming candle comes last.

        Raises:
            SourceUnavailableError: no answer, too many requests, or an answer that is not candles.
            SettingsError: the venue does not trade `symbol` or refuses us for good.
        """
        since, stop = _to_ms(start), _to_ms(min(end, as_of))
        rows: list[list[Any]] = []
        while since < stop:
            fresh = self._fetch_page(symbol, since, stop)
            if not fresh:
                break
            rows += fresh
            since = max(row[0] for row in fresh) + _HOUR_MS
        return _to_candles(symbol, rows)

    def _fetch_page(self, symbol: str, since: int, stop: int) -> list[list[Any]]:
        """Fetch the first rows of [since, stop), both in ms; empty where the venue has none."""
        with _mapped_errors(self.venue, symbol):
            # ccxt reads a page of HTML with status 200 as no markets, or as no candles.
            if not self._client.load_markets():
                raise TypeError("no list of markets")
            page = self._client.fetch_ohlcv(symbol, "1h", since=since, limit=_PAGE)
            if not isinstance(self._client.last_json_response, (list, dict)):
                raise TypeError("no JSON")
            return [row for row in page if since <= row[0] < stop]

    def last_known(self, symbol: str) -> datetime | None:
        """Give None: the market is live."""
        return None

    def describe(self) -> str:
        """Name the venue."""
        return f"{self.venue} through ccxt"


def make_client(venue: str, *, timeout_s: float = _TIMEOUT_S) -> "Exchange":
    """Make the ccxt client of a venue; it paces itself and obeys the proxy of the environment.

    Raises:
        SettingsError: ccxt knows no such venue.
    """
    import ccxt

    if venue not in ccxt.exchanges:
        raise SettingsError(f"ccxt knows no exchange {venue!r}; set RINGSIDE_VENUE", venue=venue)
    return getattr(ccxt, venue)(
        {
            "enableRateLimit": True,
            "timeout": int(timeout_s * 1000),
            "requests_trust_env": True,
            "enableLastJsonResponse": True,
            # Without this ccxt also asks Binance's futures hosts, which may be blocked apart.
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )


def find_fault(venue: str, *, timeout_s: float, client: "Exchange | None" = None) -> str | None:
    """Ask the venue for the time: None when it answers, else what went wrong, venue named.

    Args:
        venue: ccxt id of the exchange.
        timeout_s: Seconds for name look-up, connection and answer together.
        client: The ccxt client to use, in tests.

    Raises:
        SettingsError: ccxt knows no such venue.
    """
    asked = client or make_client(venue, timeout_s=timeout_s)
    answers: SimpleQueue[str | None] = SimpleQueue()

    def ask() -> None:
        try:
            with _mapped_errors(venue, "its time"):
                asked.fetch_time() if asked.has["fetchTime"] else asked.load_markets()
        except RingsideError as error:
            answers.put(str(error))
        else:
            answers.put(None)

    # The client's timeout counts each step anew and name look-up not at all, so it runs apart.
    Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except Empty:
        return f"{venue} did not answer within {timeout_s:g} s"


@contextmanager
def _mapped_errors(venue: str, asked_for: str) -> Iterator[None]:
    """Turn ccxt's errors into ours: for good, or worth another try."""
    import ccxt

    refusals = (ccxt.NotSupported, ccxt.AuthenticationError, ccxt.RestrictedLocation)
    try:
        yield
    except ccxt.BadSymbol as error:
        raise SettingsError(
            f"{venue} does not trade {asked_for}; set RINGSIDE_SERIES to symbols it trades",
            venue=venue,
        ) from error
    except refusals as error:
        raise SettingsError(
            f"{venue} refuses us: {_first_line(error)}; "
            "set RINGSIDE_VENUE to another exchange or RINGSIDE_SOURCE to another source",
            venue=venue,
        ) from error
    except ccxt.BaseError as error:
        raise SourceUnavailableError(
            f"{venue} did not answer: {_first_line(error)}", venue=venue
        ) from error
    # ccxt stumbles over an answer that is not what it expects, such as a page of HTML.
    except (TypeError, LookupError, AttributeError, ValueError) as error:
        raise SourceUnavailableError(
            f"{venue} answered, but not with {asked_for}: {error}", venue=venue
        ) from error


def _first_line(error: Exception) -> str:
    """Give a short reason: the first line of the text, which may hold a whole page."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _to_ms(instant: datetime) -> int:
    """Give milliseconds since 1970 in UTC, as ccxt counts."""
    return int(instant.timestamp() * 1000)


def _to_candles(symbol: str, rows: list[list[Any]]) -> Candles:
    """Turn ccxt's rows of open time in ms, prices and volume into columns; None becomes NaN."""
    opens_ms = np.array([row[0] for row in rows], dtype=np.int64)
    values = np.array([row[1:6] for row in rows], dtype=np.float64).reshape(-1, 5)
    return Candles(symbol, (opens_ms // 1000).astype("datetime64[s]"), *values.T)
