"""Decides each title on the forecasts that are on the record, and says why in words."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ringside.adapters.database import make_engine
from ringside.adapters.docket_files import DocketFiles, find_code_id
from ringside.adapters.registry_reader import RegistryReader
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.contestants import CONTESTANTS
from ringside.core.gate.decision import decide_title
from ringside.core.gate.docket import make_bundle, write_bundle
from ringside.core.gate.rules import GateRule
from ringside.core.gate.texts import render_verdict
from ringside.core.gate.verdict import GateVerdict
from ringside.core.intervention_texts import render_frozen, render_intervention
from ringside.core.titles import Title, find_alias
from ringside.core.verdicts import Intervention
from ringside.errors import TitleError
from ringside.jobs.policies import write_policy_costs
from ringside.jobs.records import read_record
from ringside.jobs.restoring import settle_titles
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VerdictFacts:
    """One verdict as a task hands it on: plain values only, `as_of` an ISO text."""

    verdict_id: int
    symbol: str
    horizon: int
    as_of: str
    outcome: str
    origin: str
    champion: str
    champion_version: int
    challenger: str | None
    challenger_version: int | None
    docket: str | None
    text_en: str
    text_ko: str


def decide_titles(
    settings: Settings, *, as_of: datetime, asked: Intervention | None = None
) -> list[VerdictFacts]:
    """Decide every title of the settings with what was known at `as_of`, and log why.

    What a killed change of title has left is settled first. A title decided for that instant
    before keeps its verdict, whatever has happened since.

    Args:
        settings: Series, horizons, rule and stores.
        as_of: Market time whose knowledge is allowed.
        asked: What a person asks of this decision; it is recorded beside the gate's own finding.

    Raises:
        TitleError: a title has no champion at `as_of`, or cannot be given as asked.
        StoreUnavailableError: PostgreSQL did not answer.
        RegistryUnavailableError: MLflow did not answer.
    """
    _log.info("deciding series=%s as_of=%s", ",".join(settings.series), as_of.isoformat())
    store = TitleStore(make_engine(settings))
    titles = [Title(symbol, horizon) for symbol in settings.series for horizon in settings.horizons]
    settle_titles(settings, titles)
    facts = []
    for title in titles:
        mine = asked if asked and asked.concerns(title.symbol, title.horizon) else None
        stored = store.find_verdict(
            title.symbol, title.horizon, as_of=as_of, origin=mine.action if mine else "gate"
        )
        if stored is None:
            stored = _decide(settings, title, store, as_of=as_of, asked=mine)
        facts.append(_to_facts(stored))
        _log.info("%s", stored.text_en)
        _log.info("%s", stored.text_ko)
        _log.info("docket=%s verdict=%d", stored.docket, stored.id)
    outcomes = ",".join(f"{f.symbol}:h{f.horizon}:{f.outcome}" for f in facts)
    _log.info("decided titles=%d outcomes=%s", len(facts), outcomes)
    return facts


def make_rule(settings: Settings) -> GateRule:
    """Make the gate's rule of what a person has set."""
    return GateRule(
        stake=settings.stake,
        alpha=settings.alpha,
        margin_frac=settings.margin_frac,
        refresh_days=settings.refresh_days,
        record_days=settings.shadow_days,
    )


def _decide(
    settings: Settings,
    title: Title,
    store: TitleStore,
    *,
    as_of: datetime,
    asked: Intervention | None,
) -> StoredVerdict:
    """Let the gate decide one title, apply what was asked, and store the verdict."""
    with RegistryReader(settings.mlflow_url) as registry:
        entrants = _find_entrants(registry.find_aliases(title.model_name))
    record = read_record(settings, title, as_of=as_of, entrants=entrants)
    verdict = decide_title(record, make_rule(settings))
    bundle = write_bundle(make_bundle(record, verdict, code_id=find_code_id()))
    docket = DocketFiles(settings.dockets_dir).write(title.symbol, title.horizon, bundle)
    found = _to_stored(verdict)
    found = replace(found, docket=docket.name, docket_sha256=docket.sha256)
    if asked:
        found = _apply(asked, found, entrants)
    elif frozen := store.find_freeze(title.symbol, title.horizon, as_of=as_of):
        found = _freeze(frozen, found)
    stored = store.write_verdict(found)
    write_policy_costs(settings, title, record)
    return stored


def _find_entrants(aliases: Mapping[str, int]) -> dict[str, int]:
    """Find the newest version in the ring of each contestant."""
    names = {name: find_alias(name) for name in CONTESTANTS}
    return {name: aliases[alias] for name, alias in names.items() if alias in aliases}


def _apply(asked: Intervention, found: StoredVerdict, entrants: Mapping[str, int]) -> StoredVerdict:
    """Put what a person asked in the place of the gate's outcome."""
    changes: dict[str, object] = {"outcome": "keep_champion"}
    rival = ""
    if asked.action == "force":
        version = _require_entrant(asked, found, entrants)
        rival = f"{asked.contestant} (version {version})"
        is_step_back = CONTESTANTS[asked.contestant].is_baseline
        changes = {
            "outcome": "fall_back_to_baseline" if is_step_back else "promote_challenger",
            "challenger": asked.contestant,
            "challenger_version": version,
        }
    text_en, text_ko = render_intervention(asked, rival, (found.text_en, found.text_ko))
    return replace(
        found,
        **changes,  # type: ignore[arg-type]  # fields of the verdict
        origin=asked.action,
        asked_by=asked.asked_by,
        asked_reason=asked.reason,
        text_en=text_en,
        text_ko=text_ko,
    )


def _require_entrant(asked: Intervention, found: StoredVerdict, entrants: Mapping[str, int]) -> int:
    """Find the version that a forced title goes to."""
    name = f"{found.symbol} h{found.horizon}"
    version = entrants.get(asked.contestant)
    if version is None:
        known: Sequence[str] = sorted(entrants)
        raise TitleError(
            f"{asked.contestant or 'nobody'} cannot be given {name}: in the ring are "
            f"{', '.join(known) or 'none'}"
        )
    if (asked.contestant, version) == (found.champion, found.champion_version):
        raise TitleError(f"{asked.contestant} version {version} holds {name} already")
    return version


def _freeze(frozen: StoredVerdict, found: StoredVerdict) -> StoredVerdict:
    who, why = frozen.asked_by or "unknown", frozen.asked_reason or ""
    text_en, text_ko = render_frozen(who, why, frozen.as_of, (found.text_en, found.text_ko))
    return replace(
        found,
        outcome="keep_champion",
        asked_by=who,
        asked_reason=why,
        text_en=text_en,
        text_ko=text_ko,
    )


def _to_stored(verdict: GateVerdict) -> StoredVerdict:
    text_en, text_ko = render_verdict(verdict)
    return StoredVerdict(
        symbol=verdict.symbol,
        horizon=verdict.horizon,
        as_of=verdict.as_of,
        outcome=verdict.outcome,
        champion=verdict.champion,
        champion_version=verdict.champion_version,
        challenger=verdict.challenger,
        challenger_version=verdict.challenger_version,
        facts=dict(verdict.to_facts()),
        text_en=text_en,
        text_ko=text_ko,
        decided_at=datetime.now(UTC),
    )


def _to_facts(stored: StoredVerdict) -> VerdictFacts:
    return VerdictFacts(
        verdict_id=stored.id,
        symbol=stored.symbol,
        horizon=stored.horizon,
        as_of=stored.as_of.isoformat(),
        outcome=stored.outcome,
        origin=stored.origin,
        champion=stored.champion,
        champion_version=stored.champion_version,
        challenger=stored.challenger,
        challenger_version=stored.challenger_version,
        docket=stored.docket,
        text_en=stored.text_en,
        text_ko=stored.text_ko,
    )
