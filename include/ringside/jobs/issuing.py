"""Puts the forecasts of every contestant on the record before their outcome is known."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product

from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.model_files import LoadedModel
from ringside.adapters.registry_reader import RegistryReader
from ringside.adapters.score_store import Key
from ringside.core.candles import Floats, floor_hour
from ringside.core.contestants import CONTESTANTS
from ringside.core.forecasts import Forecast, Kind, Withheld, find_kind
from ringside.core.manifest import require_fit_before
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError
from ringside.jobs.forecasting import Window, make_forecasts, read_series, read_shifts
from ringside.jobs.scoring import score_fresh
from ringside.settings import Settings

BATCH_SERIES = 100
"""Series whose hour is read, forecast and written at once: one transaction, one query a table."""

LOADERS = 2
"""Models loaded at the same time; XGBoost lets go of the interpreter while it reads trees."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IssueFacts:
    """What one issue put on the record; `as_of` is ISO 8601 text."""

    as_of: str
    live: int
    late: int
    replayed: int
    known: int
    withheld: tuple[Withheld, ...]


@dataclass(frozen=True)
class Entrant:
    """A loaded version that an alias names, and whose turn it is to forecast."""

    title: Title
    version: int
    model: LoadedModel

    @property
    def key(self) -> Key:
        """Whose outcomes calibrate it."""
        return self.title.symbol, self.title.horizon, self.model.manifest.contestant


def issue_forecasts(
    settings: Settings, *, as_of: datetime, issued_at: datetime, is_replay: bool = False
) -> IssueFacts:
    """Let every version that an alias names forecast from the last closed candle.

    A series whose last candle is missing, or a model that is refused, is withheld, and the reason
    goes on the record; the others are issued all the same. Running it again adds nothing.

    Args:
        settings: Series, horizons and stores.
        as_of: Market time whose knowledge is allowed; the forecasts carry its full hour.
        issued_at: Market time of now; too long after `as_of` makes a forecast late.
        is_replay: Made for the past on purpose, and marked so: neither live nor late.

    Raises:
        RegistryUnavailableError: MLflow did not answer.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("issuing as_of=%s issued_at=%s", as_of.isoformat(), issued_at.isoformat())
    engine, hour = make_engine(settings), floor_hour(as_of)
    kind = "replayed" if is_replay else find_kind(hour, issued_at, settings.late_after_minutes)
    made = added = 0
    withheld: list[Withheld] = []
    with RegistryReader(settings.mlflow_url) as registry:
        aliases = registry.find_all_aliases()
        for start in range(0, len(settings.series), BATCH_SERIES):
            symbols = settings.series[start : start + BATCH_SERIES]
            score_fresh(engine, symbols, as_of=hour)
            windows, missed = read_series(settings, engine, symbols, as_of=hour)
            entrants, refused, shifts = _gather(settings, registry, aliases, list(windows), hour)
            rows, failed = _forecast(entrants, windows, shifts, as_of=hour)
            stamped = [replace(row, issued_at=issued_at, kind=kind) for row in rows]
            lost = [*missed, *refused, *failed]
            added += LedgerStore(engine).append(stamped, lost, withheld_at=issued_at)
            made += len(rows)
            withheld += lost
    facts = _count(as_of, kind, made=made, added=added, withheld=withheld)
    _log_issue(facts)
    return facts


def _gather(
    settings: Settings,
    registry: RegistryReader,
    aliases: Mapping[str, Mapping[str, int]],
    symbols: Sequence[str],
    as_of: datetime,
) -> tuple[list[Entrant], list[Withheld], dict[Key, Floats]]:
    """Load the entrants while PostgreSQL goes through the outcomes that calibrate them."""
    # of all contestants: which of them can be loaded is not known yet
    keys = list(product(symbols, settings.horizons, CONTESTANTS))
    with ThreadPoolExecutor(1) as aside:
        shifts = aside.submit(read_shifts, make_engine(settings), keys, as_of=as_of)
        entrants, refused = _load_entrants(settings, registry, aliases, symbols, as_of)
        return entrants, refused, shifts.result()


def _load_entrants(
    settings: Settings,
    registry: RegistryReader,
    aliases: Mapping[str, Mapping[str, int]],
    symbols: Sequence[str],
    as_of: datetime,
) -> tuple[list[Entrant], list[Withheld]]:
    """Load every version that an alias names; one that is refused is withheld with the reason."""
    entrants, withheld, named = [], [], []
    for title in (Title(symbol, horizon) for symbol in symbols for horizon in settings.horizons):
        versions = sorted(set(aliases.get(title.model_name, {}).values()))
        named += [(title, version) for version in versions]
        if not versions:
            reason = f"no model of {title.model_name} is trained yet"
            withheld.append(Withheld(title.symbol, title.horizon, "", 0, as_of, reason))

    def load(one: tuple[Title, int]) -> Entrant | Withheld:
        title, version = one
        try:
            model = registry.load(title.model_name, version, settings.models_dir)
            require_fit_before(model.manifest, as_of)
        except ModelRefusedError as error:
            # the record carries the reason; the other contestants must not miss their hour
            return _blame(title, "", version, as_of, error)
        return Entrant(title, version, model)

    with ThreadPoolExecutor(LOADERS) as pool:
        for found in pool.map(load, named):
            entrants.append(found) if isinstance(found, Entrant) else withheld.append(found)
    return entrants, withheld


def _forecast(
    entrants: Sequence[Entrant],
    windows: Mapping[str, Window],
    shifts: Mapping[Key, Floats],
    *,
    as_of: datetime,
) -> tuple[list[Forecast], list[Withheld]]:
    """Let the entrants forecast from the last row of their series, calibrated."""
    rows: list[Forecast] = []
    withheld = []
    for one in entrants:
        window, contestant = windows[one.title.symbol], one.model.contestant
        try:
            rows += make_forecasts(
                contestant,
                window.compute(one.model.manifest.feature_names),
                one.title,
                version=one.version,
                shifts=shifts[one.key],
                auxiliary=window.auxiliary,
            )
        except ModelRefusedError as error:
            withheld.append(_blame(one.title, contestant.name, one.version, as_of, error))
    return rows, withheld


def _blame(
    title: Title, contestant: str, version: int, as_of: datetime, error: ModelRefusedError
) -> Withheld:
    reason = f"{title.model_name} version {version}: {error}"
    return Withheld(title.symbol, title.horizon, contestant, version, as_of, reason)


def _count(
    as_of: datetime, kind: Kind, *, made: int, added: int, withheld: Sequence[Withheld]
) -> IssueFacts:
    counts = {"live": 0, "late": 0, "replayed": 0} | {kind: added}
    return IssueFacts(as_of.isoformat(), **counts, known=made - added, withheld=tuple(withheld))


def _log_issue(facts: IssueFacts) -> None:
    for one in facts.withheld:
        _log.warning("withheld symbol=%s reason=%s", one.symbol, one.reason)
    _log.info(
        "issued as_of=%s live=%d late=%d replayed=%d known=%d withheld=%d",
        facts.as_of,
        facts.live,
        facts.late,
        facts.replayed,
        facts.known,
        len(facts.withheld),
    )
