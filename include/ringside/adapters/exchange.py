"""The source `exchange`: hourly candles of a venue through ccxt."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ringside.adapters.venue_errors import mapped_errors
from ringside.adapters.venue_pace import find_pause_s, obey_announced_limit
from ringside.core.candles import Candles, Floats, to_datetime64
from ringside.errors import RateLimitedError, RingsideError, SettingsError, SourceUnavailableError

if TYPE_CHECKING:
    from ccxt import Exchange

_HOUR_MS = 3_600_000
_PAGE = 1_000  # candles per request, where ccxt does not know how many the venue gives
_TIMEOUT_S = 20.0  # of one step: connecting, or waiting for the next bytes
_DEADLINE_S = 60.0  # of one whole answer, so that one that drips does not hold us for ever
_PATIENCE_S = 60.0  # longest wait that a venue may ask for before we give up instead of waiting
_WAITS = 3  # in a row, for one request
# These give the newest candles before now, or before an end that is named.
_NEEDS_END = frozenset({"binance", "binanceus", "bybit"})

_NO_ROWS: Floats = np.empty((0, 6))

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class ExchangeSource:
    """Candles of one venue; prices are what it publishes now, revisions included."""

    def __init__(
        self,
        venue: str,
        client: "Exchange | None" = None,
        *,
        stand_in: str | None = None,
        pauses_s: tuple[float, ...] = (),
    ) -> None:
        """Take the ccxt id of the venue and, in tests, the ccxt client to use.

        Args:
            venue: ccxt id of the venue.
            client: The ccxt client, in tests.
            stand_in: Address of a server that is asked instead of the venue.
            pauses_s: Seconds before each further try of a request that was not answered.
        """
        self.venue = venue
        self._pauses_s = pauses_s
        self._given_client = client
        self._stand_in = stand_in
        self._weight_per_minute: float | None = None

    @cached_property
    def _client(self) -> "Exchange":
        return self._given_client or make_client(self.venue, stand_in=self._stand_in)

    def fetch(self, symbol: str, start: datetime, end: datetime, as_of: datetime) -> Candles:
        """Fetch open times in [start, end) page by page, oldest first.

        What the venue itself does not call closed yet is left out: its clock decides, not ours. A
        row that the venue sends twice alike counts once; rows that contradict each other stay.

        Raises:
            SourceUnavailableError: no answer, or an answer that is not candles.
            RateLimitedError: too many requests, and the wait asked for is too long to sit through.
            VenueBlockedError: the venue refuses us for good.
            SettingsError: the venue does not trade `symbol`.
            VenueRequestError: the venue calls the request wrong.
        """
        since, stop = _to_ms(start), _to_ms(min(end, as_of))
        if since >= stop:
            return _to_candles(symbol, [_NO_ROWS])
        with ExitStack() as stack:
            if self._given_client is None:
                stack.callback(self._client.close)
            venue_now = self._ask("its markets and time", self._greet)
            page_ms = self._page_size() * _HOUR_MS
            pages = [_NO_ROWS]
            while since < stop:
                until = min(since + page_ms, stop)
                fresh = self._fetch_page(symbol, since, until)
                pages.append(fresh[fresh[:, 0] + _HOUR_MS <= venue_now])
                # An empty page says nothing about the next: some venues answer for a span only.
                since = int(fresh[:, 0].max()) + _HOUR_MS if len(fresh) else until
        return _to_candles(symbol, pages)

    def _greet(self) -> int:
        """Learn the venue's markets, its limits and its time; give the time in ms since 1970."""
        # ccxt reads a page of HTML with status 200 as no markets.
        if not self._client.load_markets():
            raise TypeError("no list of markets")
        self._weight_per_minute = obey_announced_limit(self._client)
        if self._client.has["fetchTime"]:
            return int(self._client.fetch_time())
        # A venue without a time to ask for still stamps its answers.
        stamp: str = self._client.last_response_headers["Date"]
        return _to_ms(parsedate_to_datetime(stamp))

    def _page_size(self) -> int:
        """Give how many candles the venue sends at once, as far as ccxt knows."""
        spot = (self._client.features or {}).get("spot") or {}
        return int((spot.get("fetchOHLCV") or {}).get("limit") or _PAGE)

    def _fetch_page(self, symbol: str, since: int, until: int) -> Floats:
        """Fetch the first rows of [since, until), both in ms; empty where the venue has none.

        Rows become numbers page by page: years of them as lists keep the garbage collector busy.
        """
        limit = (until - since + _HOUR_MS - 1) // _HOUR_MS
        params = {"until": until - 1} if self.venue in _NEEDS_END else {}

        def ask() -> Floats:
            page = self._client.fetch_ohlcv(symbol, "1h", since=since, limit=limit, params=params)
            # ccxt reads a page of HTML with status 200 as no candles.
            if not isinstance(self._client.last_json_response, (list, dict)):
                raise TypeError("no JSON")
            rows = [row[:6] for row in page if since <= row[0] < until]
            return np.array(rows, dtype=np.float64).reshape(-1, 6)

        return self._ask(symbol, ask)

    def _ask(self, asked_for: str, call: Callable[[], _T]) -> _T:
        """Make one request, and again after each pause that we take or the venue asks for."""
        pauses, waits = iter(self._pauses_s), 0
        self._keep_pace()
        while True:
            try:
                return within(_DEADLINE_S, self.venue, asked_for, call)
            except RateLimitedError as error:
                pause, waits = error.retry_after_s, waits + 1
                if pause is None or pause > _PATIENCE_S or waits > _WAITS:
                    raise
                reason = str(error)
            except SourceUnavailableError as error:
                pause = next(pauses, None)
                if pause is None:
                    raise
                reason = str(error)
            _log.warning("waiting seconds=%.0f venue=%s reason=%s", pause, self.venue, reason)
            sleep(pause)

    def _keep_pace(self) -> None:
        """Wait for the venue's next minute where our share of this one is used up."""
        if self._weight_per_minute is None:
            return
        pause_s = find_pause_s(self._client.last_response_headers, self._weight_per_minute)
        if pause_s:
            _log.info("pausing seconds=%.0f venue=%s reason=request weight", pause_s, self.venue)
            sleep(pause_s)

    def last_known(self, symbol: str) -> datetime | None:
        """Give None: the market is live."""
        return None

    def describe(self) -> str:
        """Name the venue, and say so where a stand-in answers for it."""
        return f"{self.venue} through ccxt" + (", played by a stand-in" if self._stand_in else "")


def make_client(
    venue: str, *, timeout_s: float = _TIMEOUT_S, stand_in: str | None = None
) -> "Exchange":
    """Make the ccxt client of a venue; it paces itself and obeys the proxy of the environment.

    Raises:
        SettingsError: ccxt knows no such venue, or no stand-in can take its place.
    """
    import ccxt

    if venue not in ccxt.exchanges:
        raise SettingsError(
            f"ccxt knows no exchange {venue!r}; correct RINGSIDE_VENUE or RINGSIDE_SERIES_VENUES",
            venue=venue,
        )
    client: Exchange = getattr(ccxt, venue)(
        {
            "enableRateLimit": True,
            "timeout": int(timeout_s * 1000),
            "requests_trust_env": True,
            "enableLastJsonResponse": True,
            # Without this ccxt also asks Binance's futures hosts, which may be blocked apart.
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )
    if stand_in is not None:
        if "/api/v3" not in str(client.urls["api"].get("public")):
            raise SettingsError(
                f"a stand-in speaks the language of binance and binanceus, not of {venue};"
                " correct RINGSIDE_VENUE_URLS",
                venue=venue,
            )
        client.urls["api"]["public"] = f"{stand_in.rstrip('/')}/api/v3"
        client.session.trust_env = False  # a proxy cannot reach what listens on this machine only
    return client


def find_fault(
    venue: str,
    *,
    timeout_s: float,
    client: "Exchange | None" = None,
    stand_in: str | None = None,
) -> str | None:
    """Ask the venue for the time: None when it answers, else what went wrong, venue named.

    Args:
        venue: ccxt id of the exchange.
        timeout_s: Seconds for name look-up, connection and answer together.
        client: The ccxt client to use, in tests.
        stand_in: Address of a server that is asked instead of the venue.

    Raises:
        SettingsError: ccxt knows no such venue.
    """
    asked = client or make_client(venue, timeout_s=timeout_s, stand_in=stand_in)
    call = asked.fetch_time if asked.has["fetchTime"] else asked.load_markets
    try:
        within(timeout_s, venue, "its time", call)
    except RingsideError as error:
        return str(error)
    return None


def within(timeout_s: float, venue: str, asked_for: str, call: Callable[[], _T]) -> _T:
    """Call ccxt and give its answer, or our error for what it raises or for lateness.

    The client's own timeout counts each step anew, and name look-up not at all; so the call runs
    in a thread that is left behind when the time is over.

    Raises:
        RingsideError: as `ringside.adapters.venue_errors` sorts it.
    """
    answers: SimpleQueue[tuple[_T | None, BaseException | None]] = SimpleQueue()

    def ask() -> None:
        try:
            with mapped_errors(venue, asked_for):
                answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            answers.put((None, error))

    Thread(target=ask, daemon=True).start()
    try:
        answer, error = answers.get(timeout=timeout_s)
    except Empty:
        raise SourceUnavailableError(
            f"{venue} did not answer within {timeout_s:g} s", venue=venue
        ) from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value] # None only where the call gives None


def _to_ms(instant: datetime) -> int:
    """Give milliseconds since 1970 in UTC, as ccxt counts."""
    return int(to_datetime64(instant).astype(np.int64)) * 1000


def _to_candles(symbol: str, pages: list[Floats]) -> Candles:
    """Join pages of open time in ms, prices and volume; what the venue did not send is NaN."""
    rows = np.concatenate(pages)
    if not np.all(np.diff(rows[:, 0]) > 0):
        # NaN differs from itself; infinity, which no venue sends, does not.
        rows = np.unique(np.nan_to_num(rows, nan=np.inf), axis=0)
        rows[np.isinf(rows)] = np.nan
    opens = (rows[:, 0] // 1000).astype(np.int64).astype("datetime64[s]")
    return Candles(symbol, opens, *rows.T[1:])
