"""Carries a verdict out: moves the aliases, makes serving reload, proves it, records the title.

The verdict's own row is the intent, stored before anything moves; every step may run again. Until
`record_titles` has run, `title_history` names the former champion and the way back is open.
"""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.database import make_engine
from ringside.adapters.registry import Registry
from ringside.adapters.serving import Served, ServingAnswer, ask_replicas, make_reloader
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.core.verdicts import Reign
from ringside.errors import ServingUnavailableError, TitleError
from ringside.settings import Settings

_log = logging.getLogger(__name__)
ANSWERS_IN_A_ROW = 5
POLL_S = 0.2


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


@dataclass(frozen=True)
class ProofFacts:
    """The keys of the workers seen to serve the new champions, and how long that took."""

    workers: tuple[str, ...]
    seconds: float


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
        answer = _await_serving(settings)
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

    Proven when no former worker is left, every live worker serves the expected versions, and so
    did the workers behind the last five answers.

    Raises:
        TitleError: not proven within `reload_timeout_s`; the aliases are back where they were
            and serving was asked to reload them.
    """
    expected = {
        Title(change.symbol, change.horizon): Served(change.contestant, change.version)
        for change in _find_changes(settings, verdict_ids)
    }
    started = time.monotonic()
    in_a_row, doubt = 0, "it was not asked yet"
    while in_a_row < ANSWERS_IN_A_ROW:
        if time.monotonic() - started > settings.reload_timeout_s:
            error = ServingUnavailableError(
                f"serving did not change over within {settings.reload_timeout_s} s: {doubt}"
            )
            raise _undo(settings, verdict_ids, error) from error
        try:
            answer = ask_replicas(settings)
            doubt = find_doubt(answer, expected, former_workers)
        except ServingUnavailableError as error:
            doubt = str(error)
        in_a_row = 0 if doubt else in_a_row + 1
        if doubt:
            time.sleep(POLL_S)
    facts = ProofFacts(
        tuple(worker.key for worker in answer.workers), round(time.monotonic() - started, 3)
    )
    _log.info("proved workers=%s seconds=%s", list(facts.workers), facts.seconds)
    return facts


def record_titles(
    settings: Settings, verdict_ids: Sequence[int], *, as_of: datetime, promoted_by: str
) -> list[Reign]:
    """Write into `title_history` who holds the titles now; a second run adds nothing.

    Raises:
        TitleError: a verdict keeps its champion, or the title has changed hands since.
    """
    store = TitleStore(make_engine(settings))
    reigns = []
    for change in _find_changes(settings, verdict_ids):
        former = store.read_champion(change.symbol, change.horizon)
        # Two decisions may share an instant, two reigns of one title may not.
        earliest = former.held_from + timedelta(seconds=1) if former else as_of
        reign = Reign(
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
        reigns.append(store.append_reign(reign))
        _log.info(
            "recorded symbol=%s horizon=%d champion=%s version=%d held_from=%s",
            change.symbol,
            change.horizon,
            change.contestant,
            change.version,
            reigns[-1].held_from.isoformat(),
        )
    return reigns


def undo_promotions(settings: Settings, verdict_ids: Sequence[int]) -> None:
    """Give the titles of these verdicts back to who `title_history` says holds them.

    Raises:
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    store = TitleStore(make_engine(settings))
    verdicts = [store.read_verdict(verdict_id) for verdict_id in verdict_ids]
    restore_titles(settings, [Title(verdict.symbol, verdict.horizon) for verdict in verdicts])


def restore_titles(settings: Settings, titles: Sequence[Title]) -> None:
    """Point the aliases at who `title_history` says holds the titles, and tell serving.

    Raises:
        TitleError: nobody has ever held one of the titles.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    store = TitleStore(make_engine(settings))
    for title in titles:
        reigns = store.read_reigns(title.symbol, title.horizon)
        if not reigns:
            raise TitleError(f"nobody has ever held {title.symbol} h{title.horizon}")
        champion = reigns[-1].model_version
        former = [r.model_version for r in reigns if r.model_version != champion]
        with Registry(settings.mlflow_url) as registry:
            registry.set_alias(title.model_name, CHAMPION, champion)
            if former:
                registry.set_alias(title.model_name, PREVIOUS_CHAMPION, former[-1])
            else:
                registry.delete_alias(title.model_name, PREVIOUS_CHAMPION)
        _log.warning("restored title=%s champion_version=%d", title.model_name, champion)
    try:
        make_reloader(settings).reload()
    except ServingUnavailableError as error:
        _log.warning("serving was not told: %s", error)


def find_doubt(
    answer: ServingAnswer, expected: dict[Title, Served], former_workers: Collection[str]
) -> str:
    """Say what in an answer speaks against every worker serving `expected`; empty if nothing."""
    manned = {worker.replica for worker in answer.workers}
    unmanned = [worker.replica for worker in answer.answered_by if worker.replica not in manned]
    if unmanned or not answer.workers:
        return f"serving names no live worker {' '.join(unmanned)}".strip()
    former = sorted({worker.key for worker in answer.workers} & set(former_workers))
    if former:
        return f"workers of before the reload still live: {former}"
    for worker in (*answer.answered_by, *answer.workers):
        for title, served in expected.items():
            if worker.titles.get(title) != served:
                return (
                    f"worker {worker.key} serves {worker.titles.get(title)} for "
                    f"{title.symbol} h{title.horizon}, not {served}"
                )
    return ""


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


def _await_serving(settings: Settings) -> ServingAnswer:
    """Ask until serving answers; it may be starting."""
    deadline = time.monotonic() + settings.reload_timeout_s
    while True:
        try:
            return ask_replicas(settings)
        except ServingUnavailableError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_S)


def _undo(
    settings: Settings, verdict_ids: Sequence[int], reason: ServingUnavailableError
) -> TitleError:
    """Take the promotion back and return the error that says so."""
    undo_promotions(settings, verdict_ids)
    return TitleError(f"{reason}; the former champions keep their titles", **reason.facts)
