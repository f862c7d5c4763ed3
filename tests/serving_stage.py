"""A stage for the service's tests: candles up to now, two versions of each title, a real market."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from builders import make_candles
from model_builders import publish_candles
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.registry import Registry
from ringside.adapters.tables import market_clock
from ringside.core.candles import Candles, floor_hour, to_datetime
from ringside.core.features import LOOKBACK
from ringside.core.titles import CHAMPION, Title
from ringside.settings import Settings
from serving_builders import fit_model
from serving_process import Service, serving


@dataclass
class Stage:
    """A running service and what it stands on."""

    settings: Settings
    candles: Candles
    service: Service

    @property
    def symbol(self) -> str:
        return self.settings.series[0]


def fill_market(settings: Settings, *, hours_old: int = 0, count: int = LOOKBACK + 10) -> Candles:
    """Publish candles whose last one closed at the last full hour of market time."""
    candles = make_candles(count, symbol=settings.series[0], seed=1)
    market_now = to_datetime(candles.close_time[-1]) + timedelta(hours=hours_old)
    offset = market_now - floor_hour(datetime.now(UTC))
    publish_candles(make_engine(settings), candles)
    with transaction(make_engine(settings)) as connection:
        connection.execute(
            insert(market_clock).values(
                id=1,
                source="simulated",
                source_detail="seed 7",
                offset_hours=int(offset / timedelta(hours=1)),
                set_at=datetime.now(UTC),
            )
        )
    return candles


def register(registry: Registry, title: Title, contestant: str, *, seed: int, **changed) -> int:
    """Register a fitted model; `changed` replaces the content of files after the manifest."""
    manifest, files = fit_model(title, contestant, seed=seed)
    files |= {name.replace("_", "."): content for name, content in changed.items()}
    return registry.register(manifest, files, metrics={}).version


def crown(registry: Registry, versions: dict[Title, int]) -> None:
    """Make these versions the champions."""
    for title, version in versions.items():
        registry.set_alias(title.model_name, CHAMPION, version)


def served(note: dict) -> dict[Title, int]:
    """The version of each title in a note of `/v1/model`."""
    return {Title(t["symbol"], t["horizon"]): t["version"] for t in note["titles"]}


@contextmanager
def own_stage(postgres, template: str, mlflow_url: str, folder: Path, **changes) -> Iterator[Stage]:
    """A database, a series and a running service of one test module, with models crowned."""
    name = f"stage_{secrets.token_hex(4)}"
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {template}")
    settings = Settings(
        **{
            "database_url": f"postgresql+psycopg://{template}:template@127.0.0.1:{postgres.port}/{name}",
            "state_dir": folder / "state",
            "mlflow_url": mlflow_url,
            "serving_url": "http://127.0.0.1:9",
            "series": (f"T{secrets.token_hex(3).upper()}/USDT",),
            "horizons": (1, 6),
            **changes,
        }
    )
    candles = fill_market(settings)
    with Registry(mlflow_url) as registry:
        titles = [Title(settings.series[0], horizon) for horizon in settings.horizons]
        for title in titles:
            baseline = register(registry, title, "persistence_ewma", seed=1)
            registry.set_alias(title.model_name, "persistence-ewma", baseline)
        crown(registry, {title: register(registry, title, "xgboost", seed=2) for title in titles})
    with serving(settings, folder / "log", "/readyz") as service:
        yield Stage(settings, candles, service)
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
