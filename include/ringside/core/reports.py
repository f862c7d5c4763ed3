"""What the pages of a report say: per title and per series, numbers and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ringside.core.charts.canvas import Drawing
from ringside.core.data_quality import Quality
from ringside.core.gate.policies import PolicyCost
from ringside.core.scorecards import Against, ScorecardRow
from ringside.core.verdicts import Reign
from ringside.core.words import Words, describe_title


@dataclass(frozen=True)
class VerdictNote:
    """A verdict as the pages tell it."""

    as_of: datetime
    outcome: str
    text: Words


@dataclass(frozen=True)
class TitleReport:
    """What the pages say of one title.

    `absent` names contestants without a scored forecast, `policies` are sorted, cheapest first.
    """

    symbol: str
    horizon: int
    champion: Reign | None
    verdict: VerdictNote | None
    scorecard: Sequence[ScorecardRow]
    absent: Sequence[str]
    policies: Sequence[PolicyCost]
    drawings: Sequence[Drawing]

    @property
    def name(self) -> Words:
        """The title's name."""
        return describe_title(self.symbol, self.horizon)

    @property
    def champion_row(self) -> ScorecardRow | None:
        """The champion's line of the scorecard; None where it has none."""
        name = self.champion.contestant if self.champion else None
        return next((row for row in self.scorecard if row.contestant == name), None)

    @property
    def gate_loss(self) -> float | None:
        """What the gate's own choice has cost; None where it is not known."""
        return next((cost.loss for cost in self.policies if cost.policy == "gate"), None)


@dataclass(frozen=True)
class SeriesReport:
    """What the pages say of one series; `drawings` are those of the series as a whole."""

    symbol: str
    titles: Sequence[TitleReport]
    quality: Quality
    drawings: Sequence[Drawing]

    @property
    def folder(self) -> str:
        """Name of the folder that holds its page and charts."""
        return self.symbol.replace("/", "")


def find_against(row: ScorecardRow | None, baseline: str) -> Against | None:
    """Find a line's skill against a baseline; None where there is no line or no shared hour."""
    return None if row is None else row.against.get(baseline)
