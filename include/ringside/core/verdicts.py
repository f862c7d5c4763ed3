"""Champion against rivals on the same forecast hours: who wins, by how much, and why.

The rule and its figures: docs/decisions/0004-title-changes-on-a-tested-margin.md. Nothing here
reads a store; `verdict_texts` turns a verdict into sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats, Times, to_datetime

HOURS_A_DAY = 24
LAG_HORIZONS = 3  # how far Newey-West reaches, in horizons
FEWEST_TARGETS = 8  # targets that do not overlap, below which no p-value is worth its name

Outcome = Literal["promote_challenger", "keep_champion", "fall_back_to_baseline", "ask_human"]
Reason = Literal["proven", "borderline", "unproven", "small_gain", "worse", "too_few_hours"]


@dataclass(frozen=True)
class Reign:
    """One row of `title_history`: who holds a title from `held_from` (market time, UTC) on."""

    symbol: str
    horizon: int
    contestant: str
    model_version: int
    held_from: datetime
    promoted_at: datetime
    promoted_by: str
    reason: str
    verdict_id: int | None = None


@dataclass(frozen=True)
class ScoredHours:
    """The out-of-sample losses of one contestant for one title.

    `as_of` is `datetime64[s]` in UTC, sorted and unique, shape (n,); `loss` is the mean pinball
    loss divided by sigma (unitless, lower is better), shape (n,), never NaN; `is_live`, shape (n,),
    tells the hours that were issued live from the replayed ones.
    """

    as_of: Times
    loss: Floats
    is_live: NDArray[np.bool_]


_NO_HOURS = ScoredHours(np.array([], "datetime64[s]"), np.array([]), np.array([], bool))


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on one title may look at; every row's outcome is known at `as_of`."""

    symbol: str
    horizon: int
    as_of: datetime
    champion: str
    scored: Mapping[str, ScoredHours]
    baselines: frozenset[str]


@dataclass(frozen=True)
class Rule:
    """When a rival wins: the margin, the two p-values (after Bonferroni) and the fewest hours."""

    min_gain_frac: float
    max_p_value: float
    ask_p_value: float
    min_shared_hours: int

    def find_hours_needed(self, horizon: int) -> int:
        """Return the shared hours without which the champion stays."""
        return max(self.min_shared_hours, FEWEST_TARGETS * horizon)


@dataclass(frozen=True)
class Finding:
    """What the shared hours say of one rival against the champion.

    `gain_frac` is 1 - rival's loss / champion's loss; `p_value` is one-sided and already times
    the number of rivals, None with too few hours. Without shared hours all but the counts are
    None. `first_as_of` and `last_as_of` are ISO texts in UTC.
    """

    rival: str
    reason: Reason
    shared_hours: int
    live_hours: int
    gain_frac: float | None
    p_value: float | None
    champion_loss: float | None
    rival_loss: float | None
    first_as_of: str | None
    last_as_of: str | None


@dataclass(frozen=True)
class Verdict:
    """The outcome for one title; `challenger` is the rival it turns on, None without rivals."""

    symbol: str
    horizon: int
    as_of: datetime
    outcome: Outcome
    champion: str
    challenger: str | None
    findings: Sequence[Finding]
    rule: Rule

    @property
    def deciding(self) -> Finding | None:
        """The finding about `challenger`; None without rivals."""
        return next((f for f in self.findings if f.rival == self.challenger), None)


def decide_title(evidence: Evidence, rule: Rule) -> Verdict:
    """Decide who holds a title after looking at every rival on the hours it shares.

    A rival wins when it saves at least `min_gain_frac` of the champion's loss and the one-sided
    p-value, times the number of rivals, is at most `max_p_value`. A p-value between that and
    `ask_p_value` asks a person. All else, and too few shared hours, keeps the champion.
    Of several winners the one with the largest gain takes the title.
    """
    rivals = sorted(set(evidence.scored) - {evidence.champion})
    findings = [_examine(evidence, rival, rule, rivals=len(rivals)) for rival in rivals]
    findings.sort(key=_strength)
    leader = findings[0] if findings else None
    return Verdict(
        symbol=evidence.symbol,
        horizon=evidence.horizon,
        as_of=evidence.as_of,
        outcome=_decide_outcome(evidence, leader),
        champion=evidence.champion,
        challenger=leader.rival if leader else None,
        findings=tuple(findings),
        rule=rule,
    )


def compute_p_value(champion_loss: Floats, rival_loss: Floats, *, horizon: int) -> float:
    """Give the one-sided p-value of "the rival's expected loss is no lower", shape (n,) each.

    Diebold-Mariano with the small-sample correction of Harvey, Leybourne and Newbold. Losses of
    overlapping targets are correlated over `horizon` hours and volatility has a daily cycle, so
    the Newey-West variance reaches over three horizons and at least a day.

    Returns:
        Between 0 and 1. When all differences are equal: 0, 1 or, for no difference at all, 1.

    Source: docs/decisions/0004-title-changes-on-a-tested-margin.md
    """
    from statsmodels.tsa.stattools import diebold_mariano_test

    saved = champion_loss - rival_loss
    if np.ptp(saved) == 0:
        return 0.0 if saved[0] > 0 else 1.0
    lags = min(max(LAG_HORIZONS * horizon, HOURS_A_DAY), len(saved) - 1)
    test = diebold_mariano_test(
        np.zeros_like(saved),
        champion_loss,
        rival_loss,
        criterion=lambda _outcome, loss: loss,
        lags=lags,
        harvey_adj=True,
        horizon=horizon,
    )
    two_sided = float(test.pvalue)
    return two_sided / 2 if test.statistic > 0 else 1 - two_sided / 2


def _examine(evidence: Evidence, rival: str, rule: Rule, *, rivals: int) -> Finding:
    """Compare one rival with the champion on the hours that both forecast."""
    champion = evidence.scored.get(evidence.champion, _NO_HOURS)
    other = evidence.scored[rival]
    shared, ours, theirs = np.intersect1d(
        champion.as_of, other.as_of, assume_unique=True, return_indices=True
    )
    if len(shared) == 0:
        return Finding(rival, "too_few_hours", 0, 0, None, None, None, None, None, None)
    champion_loss, rival_loss = champion.loss[ours], other.loss[theirs]
    means = float(champion_loss.mean()), float(rival_loss.mean())
    gain_frac = 1 - means[1] / means[0] if means[0] > 0 else 0.0
    p_value = None
    if len(shared) >= rule.find_hours_needed(evidence.horizon):
        alone = compute_p_value(champion_loss, rival_loss, horizon=evidence.horizon)
        p_value = min(1.0, alone * rivals)
    return Finding(
        rival=rival,
        reason=_find_reason(gain_frac, p_value, rule),
        shared_hours=len(shared),
        live_hours=int(np.count_nonzero(champion.is_live[ours] & other.is_live[theirs])),
        gain_frac=gain_frac,
        p_value=p_value,
        champion_loss=means[0],
        rival_loss=means[1],
        first_as_of=to_datetime(shared[0]).isoformat(),
        last_as_of=to_datetime(shared[-1]).isoformat(),
    )


def _find_reason(gain_frac: float, p_value: float | None, rule: Rule) -> Reason:
    if p_value is None:
        return "too_few_hours"
    if gain_frac <= 0:
        return "worse"
    if gain_frac < rule.min_gain_frac:
        return "small_gain"
    if p_value > rule.ask_p_value:
        return "unproven"
    return "borderline" if p_value > rule.max_p_value else "proven"


def _strength(finding: Finding) -> tuple[int, float]:
    """Sort key: proven before borderline before the rest, then by gain, largest first."""
    rank = {"proven": 0, "borderline": 1}.get(finding.reason, 2)
    return rank, -(finding.gain_frac if finding.gain_frac is not None else -np.inf)


def _decide_outcome(evidence: Evidence, leader: Finding | None) -> Outcome:
    if leader is None or leader.reason not in ("proven", "borderline"):
        return "keep_champion"
    if leader.reason == "borderline":
        return "ask_human"
    is_fall_back = leader.rival in evidence.baselines and (
        evidence.champion not in evidence.baselines
    )
    return "fall_back_to_baseline" if is_fall_back else "promote_challenger"
