"""What the stores show: which steps of the tour are done, the verdicts, the first chart."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Select, select

from ringside.adapters.database import make_engine, transaction
from ringside.adapters.tables import candles, forecasts, market_clock, title_history, verdicts
from ringside.jobs.clock import read_market_time
from ringside.settings import Settings


@dataclass(frozen=True)
class MarketState:
    """Where candles come from and what time it is there; UTC."""

    source: str
    detail: str
    offset_hours: int
    time: datetime


class Records:
    """Reads Ringside's stores for showing; changes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = make_engine(settings)

    def has_candles(self) -> bool:
        """Whether every series has published candles."""
        return set(self._settings.series) <= self._read_column(select(candles.c.symbol).distinct())

    def has_champions(self) -> bool:
        """Whether every series has a champion."""
        held = self._read_column(select(title_history.c.symbol).distinct())
        return set(self._settings.series) <= held

    def has_verdicts(self) -> bool:
        """Whether every series has had a verdict."""
        return set(self._settings.series) <= self._read_column(select(verdicts.c.symbol).distinct())

    def has_forecasts(self) -> bool:
        """Whether every series has forecasts that were issued, not replayed."""
        issued = select(forecasts.c.symbol).where(forecasts.c.kind != "replayed").distinct()
        return set(self._settings.series) <= self._read_column(issued)

    def has_reports(self) -> bool:
        """Whether a first chart was drawn."""
        return self.find_chart() is not None

    def _read_column(self, query: Select[tuple[str]]) -> set[str]:
        with transaction(self._engine) as connection:
            return {str(row.symbol) for row in connection.execute(query)}

    def read_verdicts(self) -> list[str]:
        """Give the newest verdict of each title as a sentence."""
        query = (
            select(verdicts.c.text_en)
            .distinct(verdicts.c.symbol, verdicts.c.horizon)
            .order_by(verdicts.c.symbol, verdicts.c.horizon, verdicts.c.as_of.desc())
        )
        with transaction(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def read_market(self) -> MarketState | None:
        """Tell source and market time; None before the clock was set."""
        with transaction(self._engine) as connection:
            row = connection.execute(select(market_clock)).first()
        if row is None:
            return None
        now = read_market_time(self._settings, real_time=datetime.now(UTC))
        return MarketState(row.source, row.source_detail, row.offset_hours, now)

    def find_chart(self) -> Path | None:
        """Find a chart of the latest report; None when none was drawn yet."""
        folder = self._settings.reports_dir / "latest"
        return next(iter(sorted(folder.rglob("*.svg"))), None)

    def fetch_forecast(self) -> tuple[str, dict[str, Any] | None]:
        """Fetch a forecast of the first series over REST, as a caller would.

        Returns:
            The address asked, and the answer's body; None when it was an error.
        """
        url = f"{self._settings.serving_url}/v1/forecast"
        request = httpx.Request("GET", url, params={"symbol": self._settings.series[0]})
        with httpx.Client(timeout=10) as client:
            answer = client.send(request)
        return str(request.url), answer.json() if answer.status_code == 200 else None
