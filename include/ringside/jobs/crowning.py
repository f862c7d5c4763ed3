"""Gives titles that nobody holds to the naive forecast."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from ringside.adapters.database import make_engine
from ringside.adapters.registry import Registry
from ringside.adapters.title_store import TitleStore
from ringside.core.candles import floor_hour
from ringside.core.titles import CHAMPION, FIRST_CHAMPION, Title, find_alias
from ringside.core.verdicts import Reign
from ringside.errors import TitleError
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CrowningFacts:
    """Which horizons of a series got their first champion now, and which had one."""

    symbol: str
    crowned: tuple[int, ...]
    held: tuple[int, ...]


def crown_first_champion(
    settings: Settings, symbol: str, *, as_of: datetime, promoted_by: str
) -> CrowningFacts:
    """Give each title of the series that nobody holds to persistence.

    The alias moves first and the history follows it, so a killed run is finished by the next.

    Raises:
        TitleError: The series was never trained: the registry has no persistence to crown.
        RegistryUnavailableError: MLflow did not answer.
    """
    store = TitleStore(make_engine(settings))
    crowned, held = [], []
    with Registry(settings.mlflow_url) as registry:
        for horizon in settings.horizons:
            title = Title(symbol, horizon)
            aliases = registry.find_aliases(title.model_name)
            reign = store.read_champion(symbol, horizon)
            if reign is None:
                reign = _make_first_reign(title, aliases, as_of=as_of, promoted_by=promoted_by)
                registry.set_alias(title.model_name, CHAMPION, reign.model_version)
                store.append_reign(reign)
                crowned.append(horizon)
                continue
            held.append(horizon)
            if CHAMPION not in aliases:
                registry.set_alias(title.model_name, CHAMPION, reign.model_version)
    facts = CrowningFacts(symbol, tuple(crowned), tuple(held))
    _log.info("crowned symbol=%s horizons=%s held=%s", symbol, facts.crowned, facts.held)
    return facts


def _make_first_reign(
    title: Title, aliases: dict[str, int], *, as_of: datetime, promoted_by: str
) -> Reign:
    version = aliases.get(find_alias(FIRST_CHAMPION))
    if version is None:
        raise TitleError(
            f"{title.model_name} has no version of {FIRST_CHAMPION}: train {title.symbol} first"
        )
    return Reign(
        symbol=title.symbol,
        horizon=title.horizon,
        contestant=FIRST_CHAMPION,
        model_version=version,
        held_from=floor_hour(as_of),
        promoted_at=datetime.now(UTC),
        promoted_by=promoted_by,
        reason="Nobody held the title; the naive forecast holds it until it is beaten.",
    )
