"""Builders for the service's tests: fitted models as folders, and the market as a plain object."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from builders import make_candles
from forecast_api.champions import Champions
from forecast_api.desk import Desk
from forecast_api.hour_inputs import NO_INPUTS, HourInputs
from forecast_api.market import MarketWindow
from forecast_api.worker_board import WorkerBoard
from ringside.adapters.history_pages import Page
from ringside.adapters.model_files import find_folder, write_model
from ringside.core.candles import Candles, keep_closed, to_datetime
from ringside.core.contestants import CONTESTANTS, Sample
from ringside.core.features import LOOKBACK, compute_features
from ringside.core.manifest import Manifest, compute_checksums, hash_inputs
from ringside.core.quantiles import LEVELS
from ringside.core.titles import Title
from ringside.errors import StoreUnavailableError

TOKEN = "a-token-of-the-tests-only"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TITLES = tuple(Title("BTC/USDT", horizon) for horizon in (1, 6))


def fit_model(title: Title, contestant: str = "persistence", *, seed: int = 0, auxiliary=None):
    """Fit a contestant on a made-up market; another `seed` gives another model."""
    candles = make_candles(LOOKBACK + 200, symbol=title.symbol, seed=seed)
    table = compute_features(candles, rows=200, auxiliary=auxiliary)
    rows = np.flatnonzero(table.is_usable[: -title.horizon])
    log_close = np.log(table.close)
    sample = Sample(
        open_time=table.open_time[rows],
        features=table.values[rows],
        names=table.names,
        sigma=table.sigma[rows],
        target=log_close[rows + title.horizon] - log_close[rows],
        horizon=title.horizon,
    )
    model = CONTESTANTS[contestant]()
    model.fit(sample, seed=seed)
    files = model.save()
    manifest = Manifest(
        contestant=contestant,
        symbol=title.symbol,
        horizon=title.horizon,
        levels=LEVELS,
        feature_names=table.names,
        look_back=LOOKBACK,
        as_of=to_datetime(candles.close_time[-1]),
        train_start=to_datetime(table.open_time[rows[0]]),
        train_end=to_datetime(table.open_time[rows[-1]]),
        train_rows=len(rows),
        seed=seed,
        data_hash=hash_inputs(candles, {}),
        code_version="test",
        files=compute_checksums(files),
    )
    return manifest, files


def make_copy(
    models_dir: Path, title: Title, version: int, contestant="persistence", **fit
) -> Path:
    """Write a fitted model as the local copy of a registry version."""
    manifest, files = fit_model(title, contestant, **fit)
    return write_model(find_folder(models_dir, title.model_name, version), manifest, files)


@dataclass
class FakeMarket:
    """Holds candles and a fixed market time; keeps the contract of `StoredMarket`."""

    candles: Candles
    market_time: datetime
    is_down: bool = False
    is_set: bool = True
    inputs: HourInputs = NO_INPUTS

    def read_window(self, symbol: str, *, real_time: datetime) -> MarketWindow | None:
        self.require_answer()
        if not self.is_set:
            return None
        closed = keep_closed(self.candles, self.market_time)
        last = closed.take(slice(-LOOKBACK, None))
        return MarketWindow(self.market_time, "simulated", last, inputs=self.inputs)

    def require_answer(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("PostgreSQL at 10.0.0.1:5432/ringside did not answer")


@dataclass
class FakeHistory:
    """Holds pages; keeps the contract of `StoredHistory`. The last question is in `asked`."""

    page: Page
    asked: dict = field(default_factory=dict)

    def read_candles(self, span):
        self.asked = {"span": span}
        return self.page

    def read_forecasts(self, span, **asked):
        self.asked = {"span": span, **asked}
        return self.page

    def read_source(self):
        return "simulated"


class FakeCatalogue:
    """A registry without contestants."""

    def read(self, *, real_time):
        return {"read_at": real_time.isoformat(), "titles": []}


def find_end(candles: Candles) -> datetime:
    """When the last candle closes."""
    return to_datetime(candles.close_time[-1])


def make_desk(candles: Candles, champions: Champions, folder: Path, **changes) -> Desk:
    """A desk at which everything works, 20 minutes after the last candle closed."""
    now = changes.pop("now", NOW)
    parts = {
        "titles": TITLES,
        "champions": champions,
        "market": FakeMarket(candles, find_end(candles) + timedelta(minutes=20)),
        "history": FakeHistory(Page([], has_more=False)),
        "catalogue": FakeCatalogue(),
        "board": WorkerBoard(folder / "workers"),
        "reports_dir": folder / "reports",
        "now": lambda: now,
        "request_reload": lambda: None,
        "reload_token": TOKEN,
    }
    return Desk(**(parts | changes))


def window_of(candles: Candles) -> dict[str, list]:
    """Candles as a caller sends them."""
    columns = {n: getattr(candles, n).tolist() for n in ("open", "high", "low", "close", "volume")}
    return {"open_time": [f"{at}Z" for at in candles.open_time], **columns}
