"""Scores of forecasts and the history of skill in PostgreSQL: derived, and made anew at will."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import lock, read_query, transaction
from ringside.adapters.ledger_store import to_forecast
from ringside.adapters.tables import scores, skill_history
from ringside.core.scores import MaturedForecast, Score
from ringside.core.skill import DayScores, Skill

Key = tuple[str, int, str]
"""Symbol, horizon and contestant."""

_SKILL_KEY = ["symbol", "horizon", "contestant", "day"]


class ScoreBatch:
    """The scores of some symbols inside one transaction, which no other writer shares."""

    def __init__(self, connection: Connection, symbols: Sequence[str]) -> None:
        self._connection = connection
        self._symbols = list(symbols)

    def read_unscored(
        self, *, as_of: datetime, targets_after: datetime | None = None, is_complete: bool = False
    ) -> list[MaturedForecast]:
        """Read forecasts to be scored, or scored anew, because their candle is published.

        Args:
            as_of: Only targets closed at this instant; aware.
            targets_after: Only later targets; aware.
            is_complete: Look at every candle; else at those published since the last scoring.
        """
        values = {
            "symbols": self._symbols,
            "as_of": as_of,
            "targets_after": targets_after or "-infinity",
            "is_complete": is_complete,
        }
        rows = self._connection.execute(read_query("read_unscored_forecasts"), values).mappings()
        return [MaturedForecast(row["id"], to_forecast(row), row["target_close"]) for row in rows]

    def write_scores(self, rows: Sequence[Score], *, may_replace: bool = True) -> int:
        """Add scores, and replace those that were made from another close; count both.

        Args:
            rows: One score per forecast.
            may_replace: False: a forecast that has a score keeps it.
        """
        if not rows:
            return 0
        put = insert(scores)
        if may_replace:
            changed = {c.name: put.excluded[c.name] for c in scores.columns}
            put = put.on_conflict_do_update(
                index_elements=["forecast_id"],
                set_=changed,
                where=scores.c.target_close != put.excluded.target_close,
            )
        else:
            put = put.on_conflict_do_nothing()
        written = self._connection.execute(
            put.returning(scores.c.forecast_id), [vars(row) for row in rows]
        )
        return len(written.all())

    def forget(self) -> None:
        """Remove every score and the whole history of skill of the symbols."""
        for table in (scores, skill_history):
            self._connection.execute(delete(table).where(table.c.symbol.in_(self._symbols)))

    def read_days(self, start: date) -> Iterator[DayScores]:
        """Read the sums of each contestant's days from `start` on, sorted by contestant and day."""
        values = {"symbols": self._symbols, "start": start}
        for row in self._connection.execute(read_query("read_day_scores"), values):
            # sums over no shared hour are NULL
            sums: dict[str, Any] = {name: value or 0 for name, value in row._mapping.items()}
            yield DayScores(**sums)

    def read_last_day(self) -> date | None:
        """Read the newest day that the history of any of the symbols has; None without any."""
        query = select(func.max(skill_history.c.day)).where(
            skill_history.c.symbol.in_(self._symbols)
        )
        last: date | None = self._connection.execute(query).scalar_one()
        return last

    def write_skill(self, rows: Iterable[Skill]) -> None:
        """Write or replace rows of the history."""
        values = [vars(row) for row in rows]
        if not values:
            return
        put = insert(skill_history)
        replaced = {
            c.name: put.excluded[c.name] for c in skill_history.columns if c.name not in _SKILL_KEY
        }
        put = put.on_conflict_do_update(index_elements=_SKILL_KEY, set_=replaced)
        self._connection.execute(put, values)


class ScoreStore:
    """Reads and writes `scores` and `skill_history`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def update(self, symbols: Sequence[str]) -> Iterator[ScoreBatch]:
        """Open the symbols' scores for one transaction; another writer of them waits for its end.

        Raises:
            StoreUnavailableError: PostgreSQL did not answer.
        """
        with transaction(self._engine) as connection:
            lock(connection, "scores", symbols)
            yield ScoreBatch(connection, symbols)

    def read_ranks(
        self, keys: Sequence[Key], *, as_of: datetime, rows: int
    ) -> dict[Key, NDArray[np.uint8]]:
        """Read how many issued quantiles each outcome exceeded, the newest `rows` of each key.

        Returns:
            Counts from 0 to 5, oldest target first, shape (m,); a key without any is left out.
        """
        symbols, horizons, contestants = zip(*keys, strict=True) if keys else ((), (), ())
        values = {
            "symbols": list(symbols),
            "horizons": list(horizons),
            "contestants": list(contestants),
            "as_of": as_of,
            "rows": rows,
        }
        with transaction(self._engine) as connection:
            found = connection.execute(read_query("read_outcome_ranks"), values).all()
        return {
            (row.symbol, row.horizon, row.contestant): np.frombuffer(row.ranks.encode(), np.uint8)[
                ::-1
            ]
            - ord("0")
            for row in found
        }

    def read_fresh(
        self, symbols: Sequence[str], *, as_of: datetime, targets_after: datetime
    ) -> list[MaturedForecast]:
        """Read forecasts that came true after `targets_after` and have no score at all yet.

        It takes no lock and so waits for no writer.
        """
        with transaction(self._engine) as connection:
            matured = ScoreBatch(connection, symbols).read_unscored(
                as_of=as_of, targets_after=targets_after, is_complete=True
            )
            ids = [row.id for row in matured]
            known = select(scores.c.forecast_id).where(scores.c.forecast_id.in_(ids))
            # one of a candle that was revised has the score of the old close, and it counts
            scored = set(connection.execute(known).scalars()) if ids else set()
        return [row for row in matured if row.id not in scored]

    def read_skill(self, symbol: str, horizon: int, *, start: date, end: date) -> list[Skill]:
        """Read the history of one title from `start` to `end`, sorted by contestant and day."""
        query = (
            select(skill_history)
            .where(skill_history.c.symbol == symbol, skill_history.c.horizon == horizon)
            .where(skill_history.c.day.between(start, end))
            .order_by(skill_history.c.contestant, skill_history.c.day)
        )
        with transaction(self._engine) as connection:
            return [Skill(**row._mapping) for row in connection.execute(query)]
