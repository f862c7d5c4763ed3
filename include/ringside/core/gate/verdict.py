"""What the gate found for one title, in plain values that can be stored as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from ringside.core.gate.rules import GateRule

Outcome = Literal[
    "promote_challenger",
    "keep_champion",
    "refresh_champion",
    "fall_back_to_baseline",
    "ask_human",
]
State = Literal[
    "proven",  # evidence reached the threshold, no guard objects
    "contested",  # the same, but the unweighted loss says the opposite: a person decides
    "blocked",  # evidence reached the threshold, a guard forbids the move
    "refresh",  # not shown better, shown not to be worse by the margin; the reign is old enough
    "worse",  # evidence for the champion reached the threshold
    "tie",  # no test can separate the two within a year
    "open",  # no proof yet
    "too_few_hours",  # not one bet could be placed
]


@dataclass(frozen=True)
class Guard:
    """One condition that can only block; `value` must be on the right side of `limit`.

    `name` is G1 (record of the version that moves in), G2 (unweighted loss), G3 (not proven worse
    than persistence), G4 (forecasts complete and of sane size), G5 (the same hours for both) or G6
    (a model proven better than each baseline).
    None stands for a number that does not exist, such as the record of nobody.
    """

    name: str
    holds: bool
    value: float | None
    limit: float


@dataclass(frozen=True)
class Finding:
    """What the shared hours say of one rival's fresh stream against the champion.

    `evidence` is the wealth now, `evidence_a_week_ago` what it was, `best_evidence` its highest of
    the last four weeks, which is what must reach `threshold`. `evidence_not_worse` is that of the
    refresh, None for other recipes; `evidence_against` is that of the champion against the rival.
    `gain_frac` is the share of the champion's loss saved, `gain_low` and `gain_high` its plausible
    range at every instant at once; `distance` the mean gap of the quantiles in sigma; `z_week` the
    mean over the standard deviation of a week's saving; `weeks_more` the pace, None where there is
    none. `old_rule_swaps` counts how often "lower loss last week wins" would have swapped.
    Instants are ISO texts in UTC.
    """

    rival: str
    state: State
    threshold: float
    evidence: float
    evidence_a_week_ago: float
    best_evidence: float
    evidence_not_worse: float | None
    evidence_against: float
    shared_hours: int
    live_hours: int
    dropped_hours: int
    blocks: int
    skipped_blocks: int
    gain_frac: float | None
    gain_low: float | None
    gain_high: float | None
    champion_loss: float | None
    rival_loss: float | None
    distance: float | None
    z_week: float | None
    weeks_more: float | None
    old_rule_swaps: int
    mover_version: int | None
    guards: tuple[Guard, ...]
    first_as_of: str | None
    last_as_of: str | None


@dataclass(frozen=True)
class GateVerdict:
    """The outcome for one title; `challenger` is the rival it turns on, None without rivals.

    `challenger_version` is the version that would move in, None where none has a record.
    `findings` are sorted, the deciding one first. `refresh_from` is the first instant at which
    the reign is old enough for a refresh.
    """

    symbol: str
    horizon: int
    as_of: datetime
    outcome: Outcome
    champion: str
    champion_version: int
    held_from: datetime
    refresh_from: datetime
    challenger: str | None
    challenger_version: int | None
    findings: Sequence[Finding]
    rule: GateRule

    @property
    def deciding(self) -> Finding | None:
        """The finding about `challenger`; None without rivals."""
        return next((f for f in self.findings if f.rival == self.challenger), None)

    def to_facts(self) -> Mapping[str, Any]:
        """Give every number as JSON-able values."""
        facts = asdict(self)
        for name in ("as_of", "held_from", "refresh_from"):
            facts[name] = facts[name].isoformat()
        return facts
