"""Carries a verdict out: moves the aliases, makes serving reload, proves it, records the title.

The verdict's own row is the intent, stored before anything moves; every step may run again. Until
`record_titles` has run, `title_history` names the former champion and the way back is open. A row
in `title_history` is the change itself; `restoring` takes back what a killed run left before it.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.database import make_engine
from ringside.adapters.registry import Registry
from ringside.adapters.serving import Served, make_reloader
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.core.verdicts import Reign
from ringside.errors import ServingUnavailableError, TitleError
from ringside.jobs.proving import ProofFacts, await_serving, prove
from ringside.jobs.restoring import undo_promotions
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TitleChange:
    """One title that a verdict moves, and to which version."""

    verdict_id: int
    symbol: str
    horizon: int
    contestant: str
    version: int
    former: str
    former_version: int


@dataclass(frozen=True)
class ReloadFacts:
    """The keys of the workers that served before the reload was asked for."""

    former_workers: tuple[str, ...]


def promote(
    settings: Settings, verdict_ids: Sequence[int], *, as_of: datetime, promoted_by: str
) -> list[TitleChange]:
    """Point the registry's aliases at the new champions; the way back is set first.

    A verdict that is on record in `title_history` already moves nothing.

    Raises:
        TitleError: a verdict keeps its champion, or the title has changed hands since.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    _log.info(
        "promoting verdicts=%s as_of=%s by=%s", list(verdict_ids), as_of.isoformat(), promoted_by
    )
    changes = _find_changes(settings, verdict_ids)
    for change in changes:
        model_name = Title(change.symbol, change.horizon).model_name
        with Registry(settings.mlflow_url) as registry:
            registry.set_alias(model_name, PREVIOUS_CHAMPION, change.former_version)
            registry.set_alias(model_name, CHAMPION, change.version)
        _log.info(
            "promoted title=%s contestant=%s version=%d former=%s former_version=%d",
            model_name,
            change.contestant,
            change.version,
            change.former,
            change.former_version,
        )
    return changes


def reload_serving(settings: Settings, verdict_ids: Sequence[int]) -> ReloadFacts:
    """Make every serving worker load the champions anew; note who served before.

    Raises:
        TitleError: serving is not there; the aliases are back where they were.
    """
    try:
        answer = await_serving(settings)
        make_reloader(settings).reload()
    except ServingUnavailableError as error:
        raise _undo(settings, verdict_ids, error) from error
    facts = ReloadFacts(tuple(worker.key for worker in answer.workers))
    _log.info("asked serving to reload former_workers=%s", list(facts.former_workers))
    return facts


def prove_serving(
    settings: Settings, verdict_ids: Sequence[int], *, former_workers: Collection[str]
) -> ProofFacts:
    """Ask every replica, each time anew, until nothing but the new champions answers.

    Raises:
        TitleError: not proven within `reload_timeout_s`; the aliases are back where they were
            and serving was asked to reload them.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    changes = _find_changes(settings, verdict_ids)
    with Registry(settings.mlflow_url) as registry:
        expected = {title: _find_served(registry, title, c) for title, c in _by_title(changes)}
    try:
        return prove(settings, expected, former_workers=former_workers)
    except ServingUnavailableError as error:
        raise _undo(settings, verdict_ids, error) from error


def record_titles(
    settings: Settings, verdict_ids: Sequence[int], *, as_of: datetime, promoted_by: str
) -> list[Reign]:
    """Write into `title_history` who holds the titles now; a second run adds nothing.

    Raises:
        TitleError: a verdict keeps its champion, or the title has changed hands since; the aliases
            are back where the history says.
    """
    store = TitleStore(make_engine(settings))
    reigns = []
    try:
        for change in _find_changes(settings, verdict_ids):
            former = store.read_champion(change.symbol, change.horizon)
            reign = _make_reign(change, store, former, as_of=as_of, promoted_by=promoted_by)
            reigns.append(store.append_reign(reign, after=former))
            _log.info(
                "recorded symbol=%s horizon=%d champion=%s version=%d held_from=%s",
                change.symbol,
                change.horizon,
                change.contestant,
                change.version,
                reigns[-1].held_from.isoformat(),
            )
    except TitleError:
        undo_promotions(settings, verdict_ids)
        raise
    return reigns


def change_over(
    settings: Settings, verdict_ids: Sequence[int], *, as_of: datetime, promoted_by: str
) -> list[Reign]:
    """Take every step of a change of title in one go: move, reload, prove, record.

    Raises:
        TitleError: a title cannot change, or serving did not follow; all is as it was.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    promote(settings, verdict_ids, as_of=as_of, promoted_by=promoted_by)
    former = reload_serving(settings, verdict_ids).former_workers
    prove_serving(settings, verdict_ids, former_workers=former)
    return record_titles(settings, verdict_ids, as_of=as_of, promoted_by=promoted_by)


def _make_reign(
    change: TitleChange,
    store: TitleStore,
    former: Reign | None,
    *,
    as_of: datetime,
    promoted_by: str,
) -> Reign:
    # Two decisions may share an instant, two reigns of one title may not.
    earliest = former.held_from + timedelta(seconds=1) if former else as_of
    return Reign(
        symbol=change.symbol,
        horizon=change.horizon,
        contestant=change.contestant,
        model_version=change.version,
        held_from=max(as_of, earliest),
        promoted_at=datetime.now(UTC),
        promoted_by=promoted_by,
        reason=store.read_verdict(change.verdict_id).text_en,
        verdict_id=change.verdict_id,
    )


def _by_title(changes: Sequence[TitleChange]) -> list[tuple[Title, TitleChange]]:
    return [(Title(change.symbol, change.horizon), change) for change in changes]


def _find_served(registry: Registry, title: Title, change: TitleChange) -> Served:
    """Say how every worker has to answer once the change is made."""
    digest = registry.hash_manifest(title.model_name, change.version)
    return Served(change.contestant, change.version, digest)


def _find_changes(settings: Settings, verdict_ids: Sequence[int]) -> list[TitleChange]:
    """Read what the verdicts change, and refuse those that can change nothing any more."""
    store = TitleStore(make_engine(settings))
    return [_to_change(store.read_verdict(verdict_id), store) for verdict_id in verdict_ids]


def _to_change(verdict: StoredVerdict, store: TitleStore) -> TitleChange:
    name = f"verdict {verdict.id} on {verdict.symbol} h{verdict.horizon}"
    if (
        verdict.outcome == "keep_champion"
        or verdict.challenger is None
        or verdict.challenger_version is None
    ):
        raise TitleError(f"{name} keeps {verdict.champion}: nothing to promote")
    holder = store.read_champion(verdict.symbol, verdict.horizon)
    if holder is None or holder != (store.find_reign_of(verdict.id) or _defender(verdict, holder)):
        raise TitleError(
            f"{name} is out of date: the title has changed hands since. Run decide_title again",
            verdict_id=verdict.id,
            holder=holder,
        )
    return TitleChange(
        verdict_id=verdict.id,
        symbol=verdict.symbol,
        horizon=verdict.horizon,
        contestant=verdict.challenger,
        version=verdict.challenger_version,
        former=verdict.champion,
        former_version=verdict.champion_version,
    )


def _defender(verdict: StoredVerdict, holder: Reign) -> Reign | None:
    """Return `holder` where it is the champion that the verdict judged."""
    judged = (verdict.champion, verdict.champion_version)
    return holder if (holder.contestant, holder.model_version) == judged else None


def _undo(
    settings: Settings, verdict_ids: Sequence[int], reason: ServingUnavailableError
) -> TitleError:
    """Take the promotion back and return the error that says so."""
    undo_promotions(settings, verdict_ids)
    return TitleError(f"{reason}; the former champions keep their titles", **reason.facts)
