"""Scores forecasts once their outcome is known, and keeps the history of skill."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from ringside.adapters.database import make_engine
from ringside.adapters.score_store import ScoreBatch, ScoreStore
from ringside.core.scores import MaturedForecast, score_forecasts
from ringside.core.skill import SKILL_DAYS, compute_skill_history
from ringside.jobs.calibrating import FRESH
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreFacts:
    """How many forecasts were scored or scored anew, by symbol; `as_of` is ISO 8601 text."""

    as_of: str
    scored: dict[str, int]


def score_matured(settings: Settings, *, as_of: datetime) -> ScoreFacts:
    """Score every forecast of the settings' series whose target candle had closed at `as_of`.

    A forecast whose candle was revised since is scored anew, and the days that it touches get new
    rows in the history of skill. Running it again changes nothing. Late forecasts are never
    scored.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("scoring as_of=%s", as_of.isoformat())
    scores = ScoreStore(make_engine(settings))
    with scores.update(settings.series) as batch:
        matured = batch.read_unscored(as_of=as_of)
        batch.write_scores(score_forecasts(matured, scored_at=datetime.now(UTC)))
        # what was scored when forecasts were issued is not among them, and has no days yet
        fresh = _find_day(as_of - FRESH)
        update_skill(batch, matured, [fresh, batch.read_last_day() or fresh])
    return _tell(settings.series, matured, as_of)


def rebuild_scores(settings: Settings, *, as_of: datetime) -> ScoreFacts:
    """Forget all scores and the history of skill of the settings' series, and make them anew.

    Each series is one transaction: readers see the old rows until the new ones are there.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    scores = ScoreStore(make_engine(settings))
    found: list[MaturedForecast] = []
    for symbol in settings.series:
        with scores.update([symbol]) as batch:
            batch.forget()
            matured = batch.read_unscored(as_of=as_of, is_complete=True)
            batch.write_scores(score_forecasts(matured, scored_at=datetime.now(UTC)))
            update_skill(batch, matured)
        _log.info("rebuilt symbol=%s scores=%d", symbol, len(matured))
        found += matured
    return _tell(settings.series, found, as_of)


def score_fresh(engine: Engine, symbols: Sequence[str], *, as_of: datetime) -> None:
    """Score what has come true lately, so that calibration knows it before anything is issued.

    The rest, revisions and the history of skill, is left to `score_matured`.
    """
    with ScoreStore(engine).update(symbols) as batch:
        matured = batch.read_unscored(as_of=as_of, targets_after=as_of - FRESH, is_complete=True)
        scored = score_forecasts(matured, scored_at=datetime.now(UTC))
        batch.write_scores(scored, may_replace=False)


def update_skill(
    batch: ScoreBatch, scored: Sequence[MaturedForecast], starts: Sequence[date] = ()
) -> None:
    """Write the days of the history that these scores have changed, and all days after them.

    Args:
        batch: Where the scores are.
        scored: What was scored.
        starts: Days from which the history is to be written in any case.
    """
    days = [_find_day(row.forecast.target_time) for row in scored]
    if not days and not starts:
        return
    start = min([*days, *starts])
    found = batch.read_days(start - timedelta(days=SKILL_DAYS - 1))
    batch.write_skill(compute_skill_history(found, start=start))


def _find_day(target_time: datetime) -> date:
    """Find the UTC day of the candle that closes at an instant."""
    return (target_time - timedelta(hours=1)).astimezone(UTC).date()


def _tell(series: Sequence[str], matured: Sequence[MaturedForecast], as_of: datetime) -> ScoreFacts:
    counts = Counter(row.forecast.symbol for row in matured)
    facts = ScoreFacts(as_of.isoformat(), {symbol: counts[symbol] for symbol in series})
    _log.info("scored as_of=%s forecasts=%s", facts.as_of, facts.scored)
    return facts
