"""Auxiliary series of Yahoo through yfinance, and its answers sorted by the reaction they need.

- Ask again, after Yahoo's own wait where it names one: `SourceUnavailableError`,
  `RateLimitedError`.
- Fail at once: `SettingsError`, `VenueRequestError`, `VenueBlockedError`.
"""

from datetime import datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from ringside.adapters.auxiliary_bars import Bars, cut_bars
from ringside.adapters.venue_errors import Answer, describe, find_wait_s
from ringside.core.candles import floor_hour
from ringside.core.known_values import AuxiliarySeries
from ringside.errors import (
    RateLimitedError,
    RingsideError,
    SettingsError,
    SourceUnavailableError,
    VenueBlockedError,
    VenueRequestError,
)

if TYPE_CHECKING:
    import pandas as pd
    from curl_cffi.requests import Response, Session

VENUE = "yahoo"
HOURLY_DAYS = 729  # Yahoo keeps hourly bars no longer
_CHART = "/v8/finance/chart/"
_NO_ROWS = "Data doesn't exist"  # its words for a span in which it has none


class YahooSource:
    """Closing values through yfinance; hourly bars reach back two years."""

    def __init__(self, *, stand_in: str | None = None) -> None:
        """Take, in tests, the address of a server that is asked instead of Yahoo."""
        self._stand_in = stand_in

    def first_stamp(self, series: AuxiliarySeries, *, as_of: datetime) -> datetime | None:
        """Give the age at which Yahoo forgets hourly bars; daily values have none."""
        return None if series.is_daily else floor_hour(as_of) - timedelta(days=HOURLY_DAYS)

    def fetch(self, series: AuxiliarySeries, start: datetime, end: datetime) -> Bars:
        """Ask Yahoo for the rows stamped in [start, end); a row without any number is left out.

        Raises:
            SourceUnavailableError: no answer, or an answer without bars.
            RateLimitedError: too many requests.
            VenueBlockedError: Yahoo refuses us.
            SettingsError: Yahoo does not know the ticker.
            VenueRequestError: Yahoo calls the request wrong.
        """
        seen: list[Answer] = []
        try:
            frame = _ask(_make_session(seen, self._stand_in), series, start, end)
        except Exception as error:  # yfinance lets errors of five libraries through
            answer = seen[-1] if seen else Answer()
            if answer.status == 400 and _NO_ROWS in answer.body:
                nothing = np.array([], dtype="datetime64[s]")
                return Bars(VENUE, nothing, np.array([], dtype="float64"))
            raise sort_error(series.ticker, error, answer) from error
        if frame.empty or "Close" not in frame:
            raise SourceUnavailableError(f"Yahoo answered nothing for {series.ticker}")
        stamps = frame.index.to_series()
        if series.is_daily:
            # Midnight at the exchange; only the date counts.
            stamps = stamps.dt.tz_localize(None).dt.normalize().dt.tz_localize("UTC")
        return cut_bars(stamps.dt.tz_convert("UTC"), frame["Close"], (VENUE, start, end))


def sort_error(ticker: str, error: Exception, answer: Answer) -> RingsideError:
    """Give the error of ours for one of yfinance's, by Yahoo's last answer for the chart.

    yfinance calls a ticker delisted whatever Yahoo's reason was; the status tells.
    """
    from yfinance.exceptions import YFRateLimitError

    reason = describe(error)
    if answer.status == 429 or isinstance(error, YFRateLimitError):
        wait = find_wait_s(answer, now_s=time())
        return RateLimitedError(
            f"Yahoo asks us to slow down: {reason}", venue=VENUE, retry_after_s=wait
        )
    if answer.status in {403, 451}:
        return VenueBlockedError(
            f"Yahoo refuses us: {reason}; empty RINGSIDE_AUXILIARY, or use files of the series",
            venue=VENUE,
        )
    if answer.status == 404 and "Not Found" in answer.body:
        return SettingsError(
            f"Yahoo does not know {ticker}; take its series out of RINGSIDE_AUXILIARY", venue=VENUE
        )
    if answer.status in {400, 422}:
        return VenueRequestError(
            f"Yahoo calls the request for {ticker} wrong: {reason}", venue=VENUE
        )
    return SourceUnavailableError(f"Yahoo did not answer for {ticker}: {reason}", venue=VENUE)


def _ask(
    session: "Session[Response]", series: AuxiliarySeries, start: datetime, end: datetime
) -> "pd.DataFrame":
    """Ask through yfinance, which raises what goes wrong instead of logging it."""
    import yfinance

    yfinance.config.debug.hide_exceptions = False
    frame: pd.DataFrame = yfinance.Ticker(series.ticker, session=session).history(
        start=start,
        end=end + timedelta(days=1),
        interval="1d" if series.is_daily else "1h",
        auto_adjust=False,
    )
    return frame


def _make_session(seen: list[Answer], stand_in: str | None) -> "Session[Response]":
    """Make a session of the kind yfinance makes, which notes each answer of the chart endpoint."""
    from curl_cffi.requests import Session

    class WitnessSession(Session):  # type: ignore[type-arg]  # generic for the type checker only
        def get(self, url: str, **options: Any) -> "Response":  # noqa: ANN401  # handed on
            """Ask as the parent does, and note the answer."""
            path = urlsplit(url).path
            asked = url if stand_in is None else f"{stand_in}{path}"
            response: Response = super().get(asked, **options)
            if path.startswith(_CHART):
                # HTTP/2 sends the names in lower case.
                headers = {name.title(): str(value) for name, value in response.headers.items()}
                seen.append(Answer(response.status_code, headers, response.text))
            return response

    return WitnessSession(impersonate="chrome", trust_env=stand_in is None)
