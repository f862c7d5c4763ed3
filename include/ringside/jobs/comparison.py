"""Decides each title on the forecasts that are on the record, and says why in words."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ringside.adapters.database import make_engine
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.registry_reader import RegistryReader
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.titles import BASELINES, CHALLENGER, CHALLENGING, Title, baseline_alias
from ringside.core.verdict_texts import render_verdict
from ringside.core.verdicts import Evidence, Reign, Rule, Verdict, decide_title
from ringside.errors import TitleError
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
    champion: str
    champion_version: int
    challenger: str | None
    challenger_version: int | None
    text_en: str
    text_ko: str


def decide_titles(settings: Settings, *, as_of: datetime) -> list[VerdictFacts]:
    """Decide every title of the settings with what was known at `as_of`, and log why.

    A title decided for that instant before keeps its verdict, whatever has happened since.

    Raises:
        TitleError: a title has no champion at `as_of`.
        StoreUnavailableError: PostgreSQL did not answer.
        RegistryUnavailableError: MLflow did not answer.
    """
    _log.info("deciding series=%s as_of=%s", ",".join(settings.series), as_of.isoformat())
    store = TitleStore(make_engine(settings))
    titles = [Title(symbol, horizon) for symbol in settings.series for horizon in settings.horizons]
    settle_titles(settings, titles)
    facts = []
    for title in titles:
        stored = store.find_verdict(title.symbol, title.horizon, as_of=as_of)
        if stored is None:
            stored = _decide(settings, title, store, as_of=as_of)
        facts.append(_to_facts(stored))
        _log.info("%s", stored.text_en)
        _log.info("%s", stored.text_ko)
    outcomes = ",".join(f"{f.symbol}:h{f.horizon}:{f.outcome}" for f in facts)
    _log.info("decided titles=%d outcomes=%s", len(facts), outcomes)
    return facts


def _decide(
    settings: Settings, title: Title, store: TitleStore, *, as_of: datetime
) -> StoredVerdict:
    """Compare champion and rivals of one title and store the verdict."""
    champion = store.read_champion(title.symbol, title.horizon, as_of=as_of)
    if champion is None:
        raise TitleError(
            f"nobody holds {title.symbol} h{title.horizon} at {as_of.isoformat()}: "
            "run the DAG train_challenger first; it crowns the first champion",
            symbol=title.symbol,
            horizon=title.horizon,
        )
    with RegistryReader(settings.mlflow_url) as registry:
        aliases = registry.find_aliases(title.model_name)
    versions = _find_versions(aliases, champion)
    scored = EvidenceStore(make_engine(settings)).read_scored_hours(champion, as_of=as_of)
    evidence = Evidence(
        symbol=title.symbol,
        horizon=title.horizon,
        as_of=as_of,
        champion=champion.contestant,
        scored={name: hours for name, hours in scored.items() if name in versions},
        baselines=frozenset(BASELINES),
    )
    return store.write_verdict(
        _to_stored(decide_title(evidence, _make_rule(settings)), champion, versions)
    )


def _find_versions(aliases: Mapping[str, int], champion: Reign) -> dict[str, int]:
    """Find the version that each contestant would hold the title with."""
    wanted = {name: baseline_alias(name) for name in BASELINES} | {CHALLENGING: CHALLENGER}
    versions = {name: aliases[alias] for name, alias in wanted.items() if alias in aliases}
    return versions | {champion.contestant: champion.model_version}


def _make_rule(settings: Settings) -> Rule:
    return Rule(
        min_gain_frac=settings.min_gain_frac,
        max_p_value=settings.max_p_value,
        ask_p_value=settings.ask_p_value,
        min_shared_hours=settings.min_shared_hours,
    )


def _to_stored(verdict: Verdict, champion: Reign, versions: Mapping[str, int]) -> StoredVerdict:
    text_en, text_ko = render_verdict(verdict, versions)
    return StoredVerdict(
        symbol=verdict.symbol,
        horizon=verdict.horizon,
        as_of=verdict.as_of,
        outcome=verdict.outcome,
        champion=champion.contestant,
        champion_version=champion.model_version,
        challenger=verdict.challenger,
        challenger_version=versions[verdict.challenger] if verdict.challenger else None,
        facts={
            "findings": [asdict(finding) for finding in verdict.findings],
            "rule": asdict(verdict.rule),
        },
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
        champion=stored.champion,
        champion_version=stored.champion_version,
        challenger=stored.challenger,
        challenger_version=stored.challenger_version,
        text_en=stored.text_en,
        text_ko=stored.text_ko,
    )
