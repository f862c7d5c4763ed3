"""Verdicts and reigns in PostgreSQL: what was decided, and who holds each title since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import transaction
from ringside.adapters.tables import policy_costs, title_history, verdicts
from ringside.core.gate.policies import PolicyCost
from ringside.core.verdicts import Reign
from ringside.errors import TitleError

_REIGN = [column for column in title_history.columns if column.name != "id"]


@dataclass(frozen=True)
class StoredVerdict:
    """One row of `verdicts`. `facts` is JSON; versions are those of the registry."""

    symbol: str
    horizon: int
    as_of: datetime
    outcome: str
    champion: str
    champion_version: int
    challenger: str | None
    challenger_version: int | None
    facts: dict[str, Any]
    text_en: str
    text_ko: str
    decided_at: datetime
    origin: str = "gate"
    asked_by: str | None = None
    asked_reason: str | None = None
    docket: str | None = None
    docket_sha256: str | None = None
    id: int = 0


class TitleStore:
    """Reads and writes `verdicts` and `title_history`; both are only ever appended to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_champion(
        self, symbol: str, horizon: int, *, as_of: datetime | None = None
    ) -> Reign | None:
        """Name who holds the title, or held it at `as_of`; None before the first reign."""
        reigns = self.read_reigns(symbol, horizon, as_of=as_of)
        return reigns[-1] if reigns else None

    def read_reigns(
        self, symbol: str, horizon: int, *, as_of: datetime | None = None
    ) -> list[Reign]:
        """List the reigns of a title that began by `as_of` (all when None), oldest first."""
        query = (
            select(*_REIGN)
            .where(title_history.c.symbol == symbol, title_history.c.horizon == horizon)
            .order_by(title_history.c.held_from)
        )
        if as_of is not None:
            query = query.where(title_history.c.held_from <= as_of)
        with transaction(self._engine) as connection:
            return [Reign(**row._mapping) for row in connection.execute(query)]

    def append_reign(self, reign: Reign, *, after: Reign | None = None) -> Reign:
        """Add a reign once and return the stored row.

        The same verdict, or the same title and `held_from`, adds nothing the second time. With
        `after` the title must still be held by that reign: one of two changes at once is refused.

        Raises:
            TitleError: another contestant or version holds the title from the same instant on,
                or `after` does not hold it any more.
        """
        with transaction(self._engine) as connection:
            name = f"ringside.title.{reign.symbol}.{reign.horizon}"
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
            stored = _find_reign(connection, reign)
            if stored is None:
                _require_holder(connection, reign, after)
                connection.execute(insert(title_history).values(**vars(reign)))
                stored = reign
        if (stored.contestant, stored.model_version) != (reign.contestant, reign.model_version):
            raise TitleError(
                f"{stored.contestant} already holds {reign.symbol} h{reign.horizon} from "
                f"{stored.held_from.isoformat()}; {reign.contestant} cannot hold it from then too",
                held=stored,
                refused=reign,
            )
        return stored

    def write_verdict(self, verdict: StoredVerdict) -> StoredVerdict:
        """Add a verdict once per title, `as_of` and origin; return the row that is stored."""
        values = {name: value for name, value in vars(verdict).items() if name != "id"}
        with transaction(self._engine) as connection:
            connection.execute(insert(verdicts).values(**values).on_conflict_do_nothing())
        stored = self.find_verdict(
            verdict.symbol, verdict.horizon, as_of=verdict.as_of, origin=verdict.origin
        )
        if stored is None:
            raise TitleError(f"the verdict on {verdict.symbol} h{verdict.horizon} was not stored")
        return stored

    def find_verdict(
        self, symbol: str, horizon: int, *, as_of: datetime, origin: str = "gate"
    ) -> StoredVerdict | None:
        """Return the verdict of exactly that title, instant and origin, or None."""
        query = select(verdicts).where(
            verdicts.c.symbol == symbol,
            verdicts.c.horizon == horizon,
            verdicts.c.as_of == as_of,
            verdicts.c.origin == origin,
        )
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _to_verdict(row)

    def read_verdict(self, verdict_id: int) -> StoredVerdict:
        """Return one verdict.

        Raises:
            TitleError: there is no verdict of that id.
        """
        with transaction(self._engine) as connection:
            row = connection.execute(
                select(verdicts).where(verdicts.c.id == verdict_id)
            ).one_or_none()
        if row is None:
            raise TitleError(f"there is no verdict {verdict_id}", verdict_id=verdict_id)
        return _to_verdict(row)

    def read_verdicts(
        self, symbol: str, horizon: int, *, as_of: datetime | None = None
    ) -> list[StoredVerdict]:
        """List the verdicts on a title made by `as_of` (all when None), oldest first."""
        query = (
            select(verdicts)
            .where(verdicts.c.symbol == symbol, verdicts.c.horizon == horizon)
            .order_by(verdicts.c.as_of, verdicts.c.id)
        )
        if as_of is not None:
            query = query.where(verdicts.c.as_of <= as_of)
        with transaction(self._engine) as connection:
            return [_to_verdict(row) for row in connection.execute(query)]

    def find_freeze(self, symbol: str, horizon: int, *, as_of: datetime) -> StoredVerdict | None:
        """Return the verdict by which the title is frozen at `as_of`, or None."""
        asked = [
            verdict
            for verdict in self.read_verdicts(symbol, horizon, as_of=as_of)
            if verdict.origin in ("freeze", "unfreeze")
        ]
        return asked[-1] if asked and asked[-1].origin == "freeze" else None

    def read_origins(self, symbol: str, horizon: int) -> dict[int, str]:
        """Read where each verdict on a title came from, by its id."""
        return {one.id: one.origin for one in self.read_verdicts(symbol, horizon)}

    def write_policy_costs(
        self, symbol: str, horizon: int, costs: Sequence[PolicyCost], *, as_of: datetime
    ) -> None:
        """Replace the costs of all policies of one title."""
        table = policy_costs
        mine = (table.c.symbol == symbol) & (table.c.horizon == horizon)
        rows = [
            {
                "symbol": symbol,
                "horizon": horizon,
                "policy": cost.policy,
                "as_of": as_of,
                "scaled_loss": cost.loss,
                "swaps": cost.swaps,
                "hours": cost.hours,
            }
            for cost in costs
        ]
        with transaction(self._engine) as connection:
            connection.execute(delete(table).where(mine))
            if rows:
                connection.execute(insert(table).on_conflict_do_nothing(), rows)

    def read_policy_costs(self, symbol: str, horizon: int) -> list[PolicyCost]:
        """Read the costs of the policies of one title, dearest last."""
        table = policy_costs
        query = (
            select(table.c.policy, table.c.scaled_loss, table.c.swaps, table.c.hours)
            .where(table.c.symbol == symbol, table.c.horizon == horizon)
            .order_by(table.c.scaled_loss, table.c.policy)
        )
        with transaction(self._engine) as connection:
            return [PolicyCost(*row) for row in connection.execute(query)]

    def find_reign_of(self, verdict_id: int) -> Reign | None:
        """Return the reign that a verdict led to, or None while it has led to none."""
        query = select(*_REIGN).where(title_history.c.verdict_id == verdict_id)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Reign(**row._mapping)


def _require_holder(connection: Connection, reign: Reign, holder: Reign | None) -> None:
    if holder is None:
        return
    query = (
        select(*_REIGN)
        .where(title_history.c.symbol == reign.symbol, title_history.c.horizon == reign.horizon)
        .order_by(title_history.c.held_from.desc())
        .limit(1)
    )
    last = Reign(**connection.execute(query).one()._mapping)
    if last != holder:
        raise TitleError(
            f"{reign.symbol} h{reign.horizon} has changed hands since: {last.contestant} holds it",
            held=last,
            refused=reign,
        )


def _find_reign(connection: Connection, reign: Reign) -> Reign | None:
    """Find the row that `reign` would repeat: its verdict's, else its title's from that instant."""
    table = title_history.c
    same_start = and_(
        table.symbol == reign.symbol,
        table.horizon == reign.horizon,
        table.held_from == reign.held_from,
    )
    same_verdict = and_(table.verdict_id.is_not(None), table.verdict_id == reign.verdict_id)
    query = (
        select(*_REIGN)
        .where(or_(same_start, same_verdict))
        .order_by(table.verdict_id.is_distinct_from(reign.verdict_id))
    )
    row = connection.execute(query).first()
    return None if row is None else Reign(**row._mapping)


def _to_verdict(row: Row[Any]) -> StoredVerdict:
    return StoredVerdict(**row._mapping)
