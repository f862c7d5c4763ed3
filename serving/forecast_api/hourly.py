"""The forecast of the hour, computed once per candle in each worker and told many times."""

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus

from forecast_api.answers import Forecast, make_forecast
from forecast_api.champions import Champions
from forecast_api.hour_inputs import HourInputs
from forecast_api.market import Market, MarketWindow
from forecast_api.problems import Problem
from ringside.core.candles import Candles, floor_hour, to_datetime
from ringside.core.titles import Title

KEEP_S = 60
"""How long others may keep an answer: the champion may change within the hour."""


@dataclass(frozen=True)
class _Basis:
    """What a forecast is computed from; the same basis gives the same forecast."""

    candles: Candles
    market_hour: datetime
    origin: str
    inputs: HourInputs

    def is_same(self, other: "_Basis") -> bool:
        """Compare; candles and inputs are the same objects while nothing in them changes."""
        return (
            self.candles is other.candles
            and self.inputs is other.inputs
            and self.market_hour == other.market_hour
            and self.origin == other.origin
        )


@dataclass
class HourlyForecast:
    """A forecast with its fixed part as JSON text, ready to be told with the ages of now."""

    forecast: Forecast
    head: str
    etag: str
    _told: tuple[datetime, bytes] | None = None

    def tell(self, window: MarketWindow) -> bytes:
        """Give the body of the answer at the window's market time, to the second."""
        market_time = window.market_time.replace(microsecond=0)
        told = self._told
        if told is None or told[0] != market_time:
            told = self._told = (market_time, self._write(market_time, window))
        return told[1]

    def _write(self, market_time: datetime, window: MarketWindow) -> bytes:
        as_of = self.forecast.as_of
        age_s = (market_time - as_of).total_seconds()
        inputs = [_describe_input("candles", as_of, market_time, window.origin)]
        for name, known in window.inputs.auxiliary.items():
            newest = to_datetime(known.known_at[-1]) if len(known.known_at) else None
            inputs.append(_describe_input(name, newest, market_time, window.origin))
        for champion in self.forecast.used:
            fitted = champion.model.manifest.as_of
            name = f"model of horizon {champion.title.horizon}"
            inputs.append(_describe_input(name, fitted, market_time, champion.source))
        tail = {"market_time": market_time.isoformat(), "age_s": age_s, "inputs": inputs}
        return f"{self.head},{_write_json(tail)[1:]}".encode()

    def find_max_age_s(self, window: MarketWindow) -> int:
        """Say for how many seconds the answer may be kept by others."""
        if self.forecast.warnings:
            return 0
        left = floor_hour(window.market_time) + timedelta(hours=1) - window.market_time
        return min(KEEP_S, int(left.total_seconds()))


class HourlyForecasts:
    """Computes each symbol's forecast when its basis changes, one thread for all that ask."""

    def __init__(self, champions: Champions, market: Market) -> None:
        self._champions = champions
        self._market = market
        self._kept: dict[str, tuple[_Basis, HourlyForecast]] = {}
        self._computing = threading.Lock()

    def read(
        self, symbol: str, titles: list[Title], *, real_time: datetime
    ) -> tuple[HourlyForecast, MarketWindow]:
        """Give the forecast of a symbol and the window it stands on.

        Raises:
            Problem: 503 with the reason, when nothing can be forecast.
            StoreUnavailableError: PostgreSQL did not answer, and there is no copy.
        """
        window = self._market.read_window(symbol, real_time=real_time)
        if window is None:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "no-candles", "no candle was ever ingested yet"
            )
        basis = _Basis(window.candles, floor_hour(window.market_time), window.origin, window.inputs)
        kept = self._kept.get(symbol)
        if kept is not None and kept[0].is_same(basis):
            return kept[1], window
        with self._computing:
            kept = self._kept.get(symbol)
            if kept is None or not kept[0].is_same(basis):
                kept = basis, self._compute(titles, window)
                self._kept[symbol] = kept
        return kept[1], window

    def _compute(self, titles: list[Title], window: MarketWindow) -> HourlyForecast:
        forecast = make_forecast(titles, self._champions, window)
        head = _write_json(forecast.fixed)[:-1]
        # weak: the ages that are added differ from answer to answer
        etag = f'W/"{sha256(head.encode()).hexdigest()[:32]}"'
        return HourlyForecast(forecast, head, etag)


def _describe_input(
    name: str, known_at: datetime | None, market_time: datetime, origin: str
) -> dict[str, object]:
    if known_at is None:
        return {"name": name, "known_at": None, "age_s": None, "origin": origin}
    age_s = (market_time - known_at).total_seconds()
    return {"name": name, "known_at": known_at.isoformat(), "age_s": age_s, "origin": origin}


def _write_json(content: dict[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"))
