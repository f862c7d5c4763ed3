"""Brings together what the gate may look at: a title's reign and its scored rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from ringside.adapters.database import make_engine
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.title_store import TitleStore
from ringside.core.contestants import CONTESTANTS
from ringside.core.gate.streams import Stream, Term, TitleRecord
from ringside.core.titles import BASELINES, Title
from ringside.core.verdicts import Reign
from ringside.errors import TitleError
from ringside.settings import Settings

LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def read_record(
    settings: Settings, title: Title, *, as_of: datetime, entrants: Mapping[str, int]
) -> TitleRecord:
    """Read all that a verdict on one title may look at, as known at `as_of`.

    The whole record of the title is there; which of it counts in this reign, the gate knows.

    Args:
        settings: Where the stores are.
        title: Which title.
        as_of: Market time whose knowledge is allowed.
        entrants: The newest version in the ring of each contestant.

    Raises:
        TitleError: nobody holds the title at `as_of`.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    engine = make_engine(settings)
    reigns = _read_reigns(TitleStore(engine), title, as_of=as_of)
    rows = EvidenceStore(engine).read_rows(title.symbol, title.horizon, start=LONG_AGO, as_of=as_of)
    return make_record(title, reigns, rows, as_of=as_of, entrants=entrants)


def make_record(
    title: Title,
    reigns: Sequence[Reign],
    rows: Mapping[str, Stream],
    *,
    as_of: datetime,
    entrants: Mapping[str, int],
) -> TitleRecord:
    """Bring the reigns of a title, oldest first and at least one, and its scored rows together."""
    return TitleRecord(
        symbol=title.symbol,
        horizon=title.horizon,
        as_of=as_of,
        champion=reigns[-1].contestant,
        terms=_find_terms(reigns),
        crowned_at=reigns[0].held_from,
        rows=rows,
        roster=tuple(CONTESTANTS),
        baselines=frozenset(BASELINES),
        entrants=entrants,
    )


def _find_terms(reigns: Sequence[Reign]) -> list[Term]:
    """Find the versions of the champion's recipe since another held the title, oldest first."""
    of_champion = takewhile(lambda one: one.contestant == reigns[-1].contestant, reversed(reigns))
    return [Term(one.held_from, one.model_version) for one in of_champion][::-1]


def _read_reigns(store: TitleStore, title: Title, *, as_of: datetime) -> list[Reign]:
    reigns = store.read_reigns(title.symbol, title.horizon, as_of=as_of)
    if not reigns:
        raise TitleError(
            f"nobody holds {title.symbol} h{title.horizon} at {as_of.isoformat()}: "
            "run the DAG train_challenger first; it crowns the first champion",
            symbol=title.symbol,
            horizon=title.horizon,
        )
    return reigns
