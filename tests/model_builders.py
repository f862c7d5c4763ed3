"""Builders of fitted models and forecasts, small and seeded."""

from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Engine, insert

from ringside.adapters.tables import candles as candles_table
from ringside.core.candles import Candles, to_datetime
from ringside.core.contestants import CONTESTANTS, Sample
from ringside.core.features import FEATURE_NAMES, LOOKBACK
from ringside.core.forecasts import Forecast
from ringside.core.manifest import Manifest, compute_checksums
from ringside.core.quantiles import LEVELS

AS_OF = datetime(2025, 6, 1, 12, tzinfo=UTC)


def make_sample(count: int = 400, *, horizon: int = 1, seed: int = 0, pull: float = 0.0) -> Sample:
    """Rows of noise; with `pull`, the first feature tells part of the target's direction."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (count, len(FEATURE_NAMES)))
    sigma = rng.uniform(0.003, 0.008, count)
    target = sigma * (rng.standard_t(4, count) + pull * features[:, 0])
    start = np.datetime64("2025-01-01T00", "s")
    open_time = start + np.arange(count) * np.timedelta64(1, "h")
    return Sample(open_time, features, FEATURE_NAMES, sigma, target, horizon)


def make_fitted(
    contestant: str = "persistence",
    *,
    symbol: str = "BTC/USDT",
    horizon: int = 1,
    as_of: datetime = AS_OF,
    seed: int = 1,
) -> tuple[Manifest, dict[str, bytes]]:
    """Fit a contestant on noise; its manifest and files, ready to be registered or written."""
    sample = make_sample(horizon=horizon)
    fitted = CONTESTANTS[contestant]()
    fitted.fit(sample, seed=seed)
    files = fitted.save()
    manifest = Manifest(
        contestant=contestant,
        symbol=symbol,
        horizon=horizon,
        levels=LEVELS,
        feature_names=FEATURE_NAMES,
        look_back=LOOKBACK,
        as_of=as_of,
        train_start=as_of - timedelta(days=20),
        train_end=as_of - timedelta(hours=horizon),
        train_rows=len(sample),
        seed=seed,
        data_hash="0" * 64,
        code_version="0.0.0",
        files=compute_checksums(files),
    )
    return manifest, files


def make_forecast(**changes) -> Forecast:
    """A live forecast of persistence, one hour ahead."""
    values = {
        "symbol": "BTC/USDT",
        "horizon": 1,
        "contestant": "persistence",
        "model_version": 1,
        "as_of": AS_OF,
        "issued_at": changes.get("as_of", AS_OF) + timedelta(minutes=2, microseconds=5),
        "kind": "live",
        "anchor_close": 100.1,
        "sigma": 0.004,
        "quantiles": (-0.02, -0.01, 0.0, 0.01, 0.02),
    }
    return Forecast(**(values | changes))


def publish_candles(engine: Engine, candles: Candles) -> None:
    """Put candles into the published table as they are, without an audit."""
    names = ("open", "high", "low", "close", "volume")
    rows = [
        {
            "symbol": candles.symbol,
            "open_time": to_datetime(opened),
            **dict(zip(names, values, strict=True)),
            "venue": "test",
            "batch_id": "test",
            "published_at": AS_OF,
        }
        for opened, *values in zip(
            candles.open_time, *(getattr(candles, name).tolist() for name in names), strict=True
        )
    ]
    with engine.begin() as connection:
        connection.execute(insert(candles_table), rows)
