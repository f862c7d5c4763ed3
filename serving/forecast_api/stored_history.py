"""What views read pages of history from."""

from typing import Protocol

from forecast_api.market import StoredMarket, TimedReads
from ringside.adapters.history_pages import HistoryPages, Page, Place, Span


class History(Protocol):
    """Where pages are read from. All methods raise StoreUnavailableError."""

    def read_candles(self, span: Span) -> Page:
        """Read published candles with their venues."""

    def read_forecasts(
        self, span: Span, *, horizon: int | None, contestant: str | None, after: Place | None
    ) -> Page:
        """Read forecasts on the record."""

    def read_source(self) -> str:
        """Name the kind of source of all candles; empty while nothing was ever ingested."""


class StoredHistory:
    """The history as PostgreSQL holds it, read within a time limit."""

    def __init__(self, pages: HistoryPages, market: StoredMarket, reads: TimedReads) -> None:
        self._pages = pages
        self._market = market
        self._reads = reads

    def read_candles(self, span: Span) -> Page:
        """See `History`."""
        return self._reads.run(lambda: self._pages.read_candles(span))

    def read_forecasts(
        self, span: Span, *, horizon: int | None, contestant: str | None, after: Place | None
    ) -> Page:
        """See `History`."""
        return self._reads.run(
            lambda: self._pages.read_forecasts(
                span, horizon=horizon, contestant=contestant, after=after
            )
        )

    def read_source(self) -> str:
        """See `History`."""
        setting = self._market.read_clock()
        return setting.source if setting else ""
