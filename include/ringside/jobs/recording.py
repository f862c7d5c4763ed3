"""Replays the weeks before the first issued hour, so that a verdict has rows to stand on."""

import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.core.candles import floor_hour, to_datetime, to_datetime64
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import FeatureTable, compute_features
from ringside.core.forecasts import REPLAYED_VERSION, Forecast
from ringside.core.splits import Week, find_weeks, make_sample, select_rows
from ringside.core.titles import Title
from ringside.errors import HistoryTooShortError
from ringside.jobs.issuing import make_forecasts, score_matured
from ringside.jobs.training import MIN_TRAIN_ROWS, read_history
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordFacts:
    """What one replay did; `start` and `end` of the recorded hours are ISO 8601 text.

    `forecasts` were added, `scored` of the series had come true, `fits` were made, and
    `short_fits` were left out because too little history lies before their week.
    """

    symbol: str
    start: str
    end: str
    forecasts: int
    scored: int
    fits: int
    short_fits: int
    seconds: float


def record(settings: Settings, symbol: str, *, as_of: datetime) -> RecordFacts:
    """Forecast the `record_weeks` weeks before the first issued hour in as-of order, and score.

    Each week every contestant is fitted anew on the `train_days` before it, targets purged, and
    forecasts each hour of it; the rows are labelled `replayed`. Hours on the record are skipped,
    so a killed run goes on where it stopped and a repeated one adds nothing.

    Raises:
        HistoryTooShortError: No week has enough history before it.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    started = time.monotonic()
    ledger = LedgerStore(make_engine(settings))
    end = min(floor_hour(as_of), ledger.read_first_issued(symbol) or floor_hour(as_of))
    start = end - timedelta(weeks=settings.record_weeks)
    _log.info("recording symbol=%s start=%s end=%s", symbol, start.isoformat(), end.isoformat())
    table = _read_table(settings, symbol, as_of=end)
    counts: Counter[str] = Counter()
    for week in find_weeks(to_datetime64(end), settings.record_weeks):
        rows = _replay_week(settings, ledger, table, symbol, week=week, counts=counts)
        counts["forecasts"] += ledger.append(
            symbol, [replace(row, issued_at=as_of) for row in sorted(rows, key=_by_instant)]
        )
        _log.info(
            "recorded symbol=%s week=%s forecasts=%d", symbol, week.start, counts["forecasts"]
        )
    _require_any_fit(counts, symbol, end)
    scored = score_matured(settings.model_copy(update={"series": (symbol,)}), as_of=as_of)
    facts = RecordFacts(
        symbol=symbol,
        start=start.isoformat(),
        end=end.isoformat(),
        forecasts=counts["forecasts"],
        scored=scored.scored[symbol],
        fits=counts["fits"],
        short_fits=counts["short_fits"],
        seconds=round(time.monotonic() - started, 2),
    )
    _log.info("recorded %s", " ".join(f"{name}={value}" for name, value in vars(facts).items()))
    return facts


def _read_table(settings: Settings, symbol: str, *, as_of: datetime) -> FeatureTable:
    days = settings.train_days + 7 * settings.record_weeks
    candles = read_history(settings, symbol, as_of=as_of, days=days)
    if len(candles) == 0:
        raise HistoryTooShortError(f"no candle of {symbol} has closed by {as_of.isoformat()}")
    return compute_features(candles)


def _replay_week(
    settings: Settings,
    ledger: LedgerStore,
    table: FeatureTable,
    symbol: str,
    *,
    week: Week,
    counts: "Counter[str]",
) -> list[Forecast]:
    """Fit and forecast for one week all that is not on the record yet."""
    rows: list[Forecast] = []
    hours = table.take(select_rows(table, week.start, week.end))
    start, end = to_datetime(week.start), to_datetime(week.end)
    for horizon in settings.horizons:
        sample = make_sample(
            table, horizon=horizon, as_of=week.start, train_days=settings.train_days
        )
        for name, kind in CONTESTANTS.items():
            known = ledger.read_replayed(symbol, horizon, name, start=start, end=end)
            if len(known) >= len(hours.open_time):
                counts["known_fits"] += 1
                continue
            if len(sample) < MIN_TRAIN_ROWS:
                counts["short_fits"] += 1
                continue
            contestant = kind()
            contestant.fit(sample, seed=settings.seed)
            counts["fits"] += 1
            made = make_forecasts(
                contestant, hours, Title(symbol, horizon), version=REPLAYED_VERSION
            )
            rows += [row for row in made if row.as_of not in known]
    return rows


def _require_any_fit(counts: "Counter[str]", symbol: str, end: datetime) -> None:
    if counts["short_fits"] and not counts["fits"] + counts["known_fits"]:
        raise HistoryTooShortError(
            f"no week before {end.isoformat()} has {MIN_TRAIN_ROWS} hours of {symbol} before it "
            "to be fitted on; load more history",
            symbol=symbol,
        )


def _by_instant(row: Forecast) -> tuple[datetime, int, str]:
    return row.as_of, row.horizon, row.contestant
