"""A stage for the service's tests: candles up to now, two versions of each title, a real market."""

from datetime import UTC, datetime, timedelta

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
