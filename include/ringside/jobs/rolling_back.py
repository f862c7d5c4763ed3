"""Gives a title back, one step: asked by hand, or because a new champion failed its probation."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.database import make_engine
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.candles import to_datetime64
from ringside.core.gate.probation import Probation, watch_champion
from ringside.core.gate.streams import Stream
from ringside.core.intervention_texts import render_roll_back, render_spent_budget
from ringside.core.titles import Title
from ringside.core.verdicts import ROLL_BACK, STEPS_BACK, Reign, find_predecessor
from ringside.errors import TitleError
from ringside.jobs.promotion import change_over
from ringside.jobs.restoring import settle_titles
from ringside.settings import Settings

PROBATION = "probation"
WATCHER = "the probation"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbationFacts:
    """What the watch over one new champion saw; `verdict_id` where the title goes back."""

    symbol: str
    horizon: int
    champion: str
    version: int
    seen: Probation
    verdict_id: int | None


def plan_roll_back(
    settings: Settings, titles: Sequence[Title], *, as_of: datetime, reason: str, asked_by: str
) -> list[int]:
    """Record that titles shall go back to their last live version; return the verdicts' ids.

    What a killed change of title has left is settled first. Planning twice for the same instant
    plans once.

    Raises:
        TitleError: nobody held one of the titles before its champion.
        RegistryUnavailableError: MLflow did not answer.
    """
    settle_titles(settings, titles)
    store = TitleStore(make_engine(settings))
    ids = []
    for title in titles:
        stored = store.find_verdict(title.symbol, title.horizon, as_of=as_of, origin=ROLL_BACK)
        if stored is None:
            now, back = _find_step(store, title)
            texts = render_roll_back(now, back, asked_by, reason)
            stored = store.write_verdict(
                _make_verdict(now, back, texts, ROLL_BACK, as_of, asked_by, reason)
            )
        _log.info("%s", stored.text_en)
        _log.info("%s", stored.text_ko)
        ids.append(stored.id)
    return ids


def watch_probation(settings: Settings, *, as_of: datetime) -> list[ProbationFacts]:
    """Watch every champion that was promoted lately against the one before it.

    Both forecast each hour; what the new one lost more than the old one, on live hours only, is
    summed up. Past the budget a verdict is recorded that gives the title back.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    store = TitleStore(make_engine(settings))
    facts = []
    for symbol in settings.series:
        for horizon in settings.horizons:
            step = _find_probation(settings, store, Title(symbol, horizon), as_of=as_of)
            if step is not None:
                facts.append(_watch(settings, store, *step, as_of=as_of))
    return facts


def give_back(settings: Settings, verdict_ids: Sequence[int], *, as_of: datetime) -> list[Reign]:
    """Give the titles of spent probations back, all steps in one go.

    Raises:
        TitleError: serving did not follow; all is as it was, and the next hour tries again.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    return change_over(settings, verdict_ids, as_of=as_of, promoted_by=WATCHER)


def _find_step(store: TitleStore, title: Title) -> tuple[Reign, Reign]:
    """Find who holds a title and who held it before.

    Raises:
        TitleError: nobody did.
    """
    reigns = store.read_reigns(title.symbol, title.horizon)
    origins = store.read_origins(title.symbol, title.horizon)
    back = find_predecessor(reigns, origins)
    if back is None:
        raise TitleError(
            f"there is nobody to go back to: {title.symbol} h{title.horizon} was never passed on"
        )
    return reigns[-1], back


def _find_probation(
    settings: Settings, store: TitleStore, title: Title, *, as_of: datetime
) -> tuple[Reign, Reign] | None:
    """Find the champion on probation and the one before it; None where nobody is on probation."""
    reigns = store.read_reigns(title.symbol, title.horizon)
    if not reigns or as_of - reigns[-1].held_from > timedelta(days=settings.probation_days):
        return None
    origins = store.read_origins(title.symbol, title.horizon)
    holder = reigns[-1]
    # the first champion follows nobody, and one that a step back has brought is not new
    if holder.verdict_id is None or origins.get(holder.verdict_id) in STEPS_BACK:
        return None
    back = find_predecessor(reigns, origins)
    return None if back is None else (holder, back)


def _watch(
    settings: Settings, store: TitleStore, holder: Reign, back: Reign, *, as_of: datetime
) -> ProbationFacts:
    """Hold the live hours of both since the promotion against each other."""
    rows = EvidenceStore(make_engine(settings)).read_rows(
        holder.symbol, holder.horizon, start=holder.held_from, as_of=as_of
    )
    new, old = _take_version(rows, holder), _take_version(rows, back)
    if new is None or old is None:
        seen = Probation(0, 0.0, 0.0, settings.probation_budget_hours, None)
    else:
        seen = watch_champion(
            new,
            old,
            promoted_at=to_datetime64(holder.held_from),
            known_at=to_datetime64(as_of),
            horizon=holder.horizon,
            budget_hours=settings.probation_budget_hours,
        )
    verdict_id = _plan_return(store, holder, back, seen, as_of=as_of) if seen.spent_at else None
    _log.info(
        "probation symbol=%s horizon=%d champion=%s version=%d hours=%d lost=%.2f budget=%g",
        holder.symbol,
        holder.horizon,
        holder.contestant,
        holder.model_version,
        seen.hours,
        seen.lost_now,
        seen.budget,
    )
    return ProbationFacts(
        holder.symbol, holder.horizon, holder.contestant, holder.model_version, seen, verdict_id
    )


def _take_version(rows: dict[str, Stream], reign: Reign) -> Stream | None:
    own = rows.get(reign.contestant)
    return None if own is None else own.take(own.model_version == reign.model_version)


def _plan_return(
    store: TitleStore, holder: Reign, back: Reign, seen: Probation, *, as_of: datetime
) -> int:
    reason_en, reason_ko = render_spent_budget(
        seen.lost, seen.budget, seen.hours, str(seen.spent_at)
    )
    texts = (
        render_roll_back(holder, back, WATCHER, reason_en)[0],
        render_roll_back(holder, back, "수습 감시", reason_ko)[1],
    )
    made = _make_verdict(holder, back, texts, PROBATION, as_of, WATCHER, reason_en)
    stored = store.write_verdict(made)
    _log.warning("%s", stored.text_en)
    _log.warning("%s", stored.text_ko)
    return stored.id


def _make_verdict(
    now: Reign,
    back: Reign,
    texts: tuple[str, str],
    origin: str,
    as_of: datetime,
    asked_by: str,
    reason: str,
) -> StoredVerdict:
    return StoredVerdict(
        symbol=now.symbol,
        horizon=now.horizon,
        as_of=as_of,
        outcome=ROLL_BACK,
        champion=now.contestant,
        champion_version=now.model_version,
        challenger=back.contestant,
        challenger_version=back.model_version,
        facts={},
        text_en=texts[0],
        text_ko=texts[1],
        decided_at=datetime.now(UTC),
        origin=origin,
        asked_by=asked_by,
        asked_reason=reason,
    )
