"""Scored ledger rows written straight into the tables, with whatever losses a test plants."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import insert

from ringside.adapters.database import transaction
from ringside.adapters.tables import candles as candles_table
from ringside.adapters.tables import forecasts, scores
from ringside.core.candles import to_datetime
from ringside.core.metrics import compute_pinball_loss

START = datetime(2026, 1, 1, tzinfo=UTC)
BAND = np.array([-0.02, -0.008, 0.0, 0.008, 0.02])


@dataclass(frozen=True)
class Row:
    """One forecast; `loss` None leaves it unscored."""

    contestant: str
    as_of: datetime
    loss: float | None
    kind: str = "replayed"
    model_version: int = 0
    symbol: str = "BTC/USDT"
    horizon: int = 1
    anchor_close: float = 100.0
    realised: float = 0.0

    @property
    def target_time(self) -> datetime:
        return self.as_of + timedelta(hours=self.horizon)


def hours(count: int, *, start: datetime = START) -> list[datetime]:
    return [start + timedelta(hours=i) for i in range(count)]


def make_rows(contestant: str, losses, *, start: datetime = START, **common) -> list[Row]:
    instants = hours(len(losses), start=start)
    return [
        Row(contestant, instant, float(loss), **common)
        for instant, loss in zip(instants, losses, strict=True)
    ]


def make_duel(gain_frac: float, *, count: int = 800, noise: float = 0.02, **common) -> list[Row]:
    """Rows of persistence and of an xgboost that is better by a planted share."""
    rng = np.random.default_rng(0)
    base = rng.gamma(4, 0.06, count)
    own = rng.normal(0, noise, count)
    return [
        *make_rows("persistence", base, **common),
        *make_rows("xgboost", base * (1 - gain_frac) + own - own.mean(), **common),
    ]


def write_rows(engine, rows: list[Row]) -> None:
    """Insert forecasts and, where there is a loss, their scores."""
    with transaction(engine) as connection:
        for row in rows:
            key = connection.execute(
                insert(forecasts).values(_to_forecast(row)).returning(forecasts.c.id)
            ).scalar_one()
            if row.loss is not None:
                connection.execute(insert(scores).values(_to_score(row, key)))


def write_streams(engine, streams, *, symbol: str, horizon: int = 1) -> None:
    """Insert the scored rows of each recipe as the gate shall read them back, to the last bit."""
    with transaction(engine) as connection:
        for contestant, rows in streams.items():
            made = [_of_stream(contestant, rows, i, symbol, horizon) for i in range(len(rows))]
            statement = insert(forecasts).returning(forecasts.c.id, sort_by_parameter_order=True)
            keys = connection.execute(statement, [one[0] for one in made]).scalars().all()
            scored = [one[1] | {"forecast_id": key} for one, key in zip(made, keys, strict=True)]
            connection.execute(insert(scores), scored)


def _of_stream(contestant, rows, i, symbol, horizon):
    quantiles = rows.quantiles[i]
    realised, sigma = float(rows.realised[i]), float(rows.sigma[i])
    loss = float(compute_pinball_loss(rows.realised[i : i + 1], quantiles[None])[0])
    common = Row(
        contestant,
        to_datetime(rows.as_of[i]),
        loss / sigma,
        "live" if rows.is_live[i] else "replayed",
        int(rows.model_version[i]),
        symbol,
        horizon,
        realised=realised,
    )
    names = ("q05", "q25", "q50", "q75", "q95")
    forecast = _to_forecast(common) | dict(zip(names, quantiles.tolist(), strict=True))
    score = _to_score(common, 0)
    return forecast | {"sigma": sigma}, score | {"realised_return": realised}


def write_candles(engine, candles) -> None:
    rows = [
        {
            "symbol": candles.symbol,
            "open_time": to_datetime(candles.open_time[i]),
            **{
                name: float(getattr(candles, name)[i])
                for name in ("open", "high", "low", "close", "volume")
            },
            "venue": "simulated",
            "batch_id": "b",
            "published_at": START,
        }
        for i in range(len(candles))
    ]
    with transaction(engine) as connection:
        connection.execute(insert(candles_table), rows)


def of_series(rows: list[Row], symbol: str) -> list[Row]:
    return [replace(row, symbol=symbol) for row in rows]


def _to_forecast(row: Row) -> dict:
    names = ("q05", "q25", "q50", "q75", "q95")
    return {
        "symbol": row.symbol,
        "horizon": row.horizon,
        "contestant": row.contestant,
        "model_version": row.model_version,
        "as_of": row.as_of,
        "target_time": row.target_time,
        "issued_at": row.as_of,
        "kind": row.kind,
        "anchor_close": row.anchor_close,
        "sigma": 0.01,
        **dict(zip(names, BAND.tolist(), strict=True)),
        "prev_hash": "",
        "row_hash": "",
        "hash_form": 2,
    }


def _to_score(row: Row, key: int) -> dict:
    return {
        "forecast_id": key,
        "symbol": row.symbol,
        "horizon": row.horizon,
        "contestant": row.contestant,
        "model_version": row.model_version,
        "is_live": row.kind == "live",
        "target_time": row.target_time,
        "target_close": row.anchor_close * float(np.exp(row.realised)),
        "quantiles_below": int((row.realised > BAND).sum()),
        "realised_return": row.realised,
        "loss": row.loss * 0.01,
        "scaled_loss": row.loss,
        "abs_error": abs(row.realised),
        "is_inside_50": abs(row.realised) <= BAND[3],
        "is_inside_90": abs(row.realised) <= BAND[4],
        "scored_at": row.target_time,
    }
