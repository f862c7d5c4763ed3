"""Reads who holds each title and what was decided last, for pages that are asked for often."""

from dataclasses import dataclass
from datetime import datetime

from ringside.adapters.database import make_engine
from ringside.adapters.title_store import TitleStore
from ringside.core.reports import VerdictNote
from ringside.core.verdicts import Reign
from ringside.core.words import Words, describe_title
from ringside.settings import Settings


@dataclass(frozen=True)
class Standing:
    """One title: its holder and its last verdict, None where there is none yet."""

    symbol: str
    horizon: int
    champion: Reign | None
    verdict: VerdictNote | None

    @property
    def name(self) -> Words:
        """The title's name."""
        return describe_title(self.symbol, self.horizon)

    @property
    def folder(self) -> str:
        """Name of the folder of its series in a report."""
        return self.symbol.replace("/", "")


def read_standings(settings: Settings, *, as_of: datetime) -> list[Standing]:
    """Read every title of the settings as it stood at `as_of`.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    store = TitleStore(make_engine(settings))
    standings = []
    for symbol in settings.series:
        for horizon in settings.horizons:
            verdicts = store.read_verdicts(symbol, horizon, as_of=as_of)
            notes = [
                VerdictNote(one.as_of, one.outcome, Words(one.text_en, one.text_ko))
                for one in verdicts[-1:]
            ]
            champion = store.read_champion(symbol, horizon, as_of=as_of)
            standings.append(Standing(symbol, horizon, champion, notes[0] if notes else None))
    return standings
