"""Ages and states as Prometheus gauges, computed from the desk whenever they are asked for."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from forecast_api.answers import GRAVITY
from forecast_api.desk import Desk
from forecast_api.hourly import HourlyForecast
from forecast_api.market import MarketWindow
from forecast_api.problems import Problem
from ringside.errors import StoreUnavailableError


class VitalSigns(Collector):
    """The gauges of one scrape; which worker answers makes no difference to them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Compute every gauge."""
        told = {symbol: self._read(symbol) for symbol in self._desk.symbols}
        yield self._measure_data(told)
        yield self._measure_degradation(told)
        yield self._measure_models(told)
        yield from self._measure_workers()

    def _read(self, symbol: str) -> tuple[HourlyForecast, MarketWindow] | None:
        desk = self._desk
        try:
            return desk.hourly.read(symbol, desk.titles_of(symbol), real_time=desk.now())
        except (Problem, StoreUnavailableError):  # no forecast is a sign too: see `degraded`
            return None

    def _measure_data(
        self, told: dict[str, tuple[HourlyForecast, MarketWindow] | None]
    ) -> GaugeMetricFamily:
        age = GaugeMetricFamily(
            "ringside_data_age_seconds",
            "Market time since the last known candle closed.",
            labels=["symbol"],
        )
        for symbol, found in told.items():
            if found is not None:
                hourly, window = found
                seconds = (window.market_time - hourly.forecast.as_of).total_seconds()
                age.add_metric([symbol], seconds)
        return age

    def _measure_degradation(
        self, told: dict[str, tuple[HourlyForecast, MarketWindow] | None]
    ) -> GaugeMetricFamily:
        degraded = GaugeMetricFamily(
            "ringside_degraded",
            "1 where the state holds; unavailable: there is no forecast at all.",
            labels=["symbol", "state"],
        )
        for symbol, found in told.items():
            warnings = found[0].forecast.warnings if found is not None else ()
            for state in GRAVITY:
                degraded.add_metric([symbol, state], float(state in warnings))
            degraded.add_metric([symbol, "unavailable"], float(found is None))
        return degraded

    def _measure_models(
        self, told: dict[str, tuple[HourlyForecast, MarketWindow] | None]
    ) -> GaugeMetricFamily:
        age = GaugeMetricFamily(
            "ringside_model_age_seconds",
            "Market time since the end of what the serving model was fitted on.",
            labels=["symbol", "horizon", "contestant", "version", "rung"],
        )
        for title, champion in sorted(self._desk.champions.by_title.items()):
            found = told.get(title.symbol)
            now = found[1].market_time if found is not None else self._desk.now()
            labels = [title.symbol, str(title.horizon), champion.contestant]
            seconds = (now - champion.model.manifest.as_of).total_seconds()
            age.add_metric([*labels, str(champion.version), champion.source], seconds)
        return age

    def _measure_workers(self) -> Iterator[Metric]:
        notes = self._desk.board.read()
        workers = GaugeMetricFamily(
            "ringside_workers", "Live workers by generation.", labels=["generation"]
        )
        for generation in sorted({note["generation"] for note in notes}):
            count = sum(note["generation"] == generation for note in notes)
            workers.add_metric([str(generation)], count)
        yield workers
        loaded = [datetime.fromisoformat(note["loaded_at"]) for note in notes]
        newest = max(loaded, default=self._desk.champions.loaded_at)
        yield GaugeMetricFamily(
            "ringside_last_reload_age_seconds",
            "Time since models were last loaded by any worker.",
            value=(self._desk.now() - newest).total_seconds(),
        )
