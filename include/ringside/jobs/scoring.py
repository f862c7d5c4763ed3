"""Scores forecasts once their outcome is known, and keeps the history of skill."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringside.adapters.database import make_engine
from ringside.adapters.score_store import ScoreBatch, ScoreStore
from ringside.core.scores import MaturedForecast, score_forecasts
from ringside.core.skill import SKILL_DAYS, compute_skill_history
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
        update_skill(batch, matured)
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


def update_skill(batch: ScoreBatch, scored: Sequence[MaturedForecast]) -> None:
    """Write the days of the history that these scores have changed, and those after them."""
    if not scored:
        return
    first = min(row.forecast.target_time for row in scored)
    start = (first - timedelta(hours=1)).astimezone(UTC).date()
    days = batch.read_days(start - timedelta(days=SKILL_DAYS - 1))
    batch.write_skill(compute_skill_history(days, start=start))


def _tell(series: Sequence[str], matured: Sequence[MaturedForecast], as_of: datetime) -> ScoreFacts:
    counts = Counter(row.forecast.symbol for row in matured)
    facts = ScoreFacts(as_of.isoformat(), {symbol: counts[symbol] for symbol in series})
    _log.info("scored as_of=%s forecasts=%s", facts.as_of, facts.scored)
    return facts
