"""Pages of what is stored: published candles, and forecasts with what came true."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, RowMapping

from ringside.adapters.database import read_query, transaction

TITLE_HOLDER = "champion"
"""As a contestant: whoever held the title at that hour."""


@dataclass(frozen=True)
class Span:
    """Which rows: from `start` on (the newest when None) and before `end`; aware instants."""

    symbol: str
    start: datetime | None
    end: datetime | None
    rows: int


@dataclass(frozen=True)
class Place:
    """The row that a page follows."""

    as_of: datetime
    id: int


@dataclass(frozen=True)
class Page:
    """Rows, oldest first, and whether more follow."""

    rows: list[RowMapping]
    has_more: bool


class HistoryPages:
    """Reads pages; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_candles(self, span: Span) -> Page:
        """Read published candles with their venues."""
        values = {"newest_first": span.start is None}
        return self._read("read_candle_page", span, values)

    def read_forecasts(
        self, span: Span, *, horizon: int | None, contestant: str | None, after: Place | None
    ) -> Page:
        """Read forecasts on the record; the contestant `champion` follows the title."""
        values: dict[str, object] = {
            "horizon": horizon,
            "after_as_of": after.as_of if after else None,
            "after_id": after.id if after else None,
            "newest_first": span.start is None and after is None,
        }
        if contestant == TITLE_HOLDER:
            return self._read("read_title_page", span, values)
        return self._read("read_forecast_page", span, {**values, "contestant": contestant})

    def _read(self, query: str, span: Span, values: Mapping[str, Any]) -> Page:
        bound = {**asdict(span), **values, "rows": span.rows + 1}
        with transaction(self._engine) as connection:
            rows = list(connection.execute(read_query(query), bound).mappings())
        if values["newest_first"]:
            return Page(rows[: span.rows][::-1], has_more=False)
        return Page(rows[: span.rows], has_more=len(rows) > span.rows)
