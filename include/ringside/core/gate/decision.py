"""Decides one title on its record: the only place where evidence becomes an outcome."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from ringside.core.candles import to_datetime, to_datetime64
from ringside.core.gate.evidence import Weighed, count_old_swaps, weigh_pair
from ringside.core.gate.guards import (
    HARD,
    Mover,
    find_mover,
    guard_baseline,
    guard_forecasts,
    guard_proof,
    guard_raw_loss,
    guard_record,
    guard_same_hours,
    guard_yardstick,
)
from ringside.core.gate.pairing import Pair, pair_streams
from ringside.core.gate.rules import HOURS_A_WEEK, GateRule
from ringside.core.gate.sides import Sides, lay_out_sides
from ringside.core.gate.streams import TitleRecord
from ringside.core.gate.verdict import Finding, GateVerdict, Guard, Outcome, State

YARDSTICK = "persistence"
TIE_Z_WEEK = float(np.sqrt(6 / 52))
"""Weekly mean over standard deviation below which a decision takes more than a year (6 / z^2)."""

_RANK: dict[State, int] = {"proven": 0, "contested": 1, "refresh": 2, "blocked": 3}


def decide_title(record: TitleRecord, rule: GateRule) -> GateVerdict:
    """Decide who holds a title; a pure function of the rows known at `record.as_of`.

    A rival whose evidence reached its threshold takes the title unless a guard objects; a guard
    that only disagrees about the loss asks a person. Of several, the one with the largest gain.
    Else a version of the champion's own recipe that is shown not to be worse refreshes a reign of
    at least `refresh_days`. All else keeps the champion.
    """
    bench = _Bench.lay_out(record, rule)
    findings = sorted((bench.examine(rival) for rival in bench.rivals), key=_find_order)
    leader = findings[0] if findings else None
    return GateVerdict(
        symbol=record.symbol,
        horizon=record.horizon,
        as_of=record.as_of,
        outcome=_find_outcome(record, leader),
        champion=record.champion,
        champion_version=record.champion_version,
        held_from=record.held_from,
        refresh_from=record.held_from + timedelta(days=rule.refresh_days),
        challenger=leader.rival if leader else None,
        challenger_version=leader.mover_version if leader else None,
        findings=tuple(findings),
        rule=rule,
    )


@dataclass(frozen=True)
class _Bench:
    """A record cut to its evidence, and what every comparison of it shares."""

    record: TitleRecord
    rule: GateRule
    known_at: np.datetime64
    sides: Sides
    rivals: list[str]
    thresholds: dict[str, float]

    @classmethod
    def lay_out(cls, record: TitleRecord, rule: GateRule) -> "_Bench":
        sides = lay_out_sides(record, rule)
        rivals = _order_rivals(record, sides)
        thresholds = rule.find_thresholds(rivals, record.champion, record.baselines)
        known_at = to_datetime64(record.as_of)
        return cls(record, rule, known_at, sides, rivals, thresholds)

    def examine(self, rival: str) -> Finding:
        """Say all that the shared hours say of one rival."""
        horizon, rule = self.record.horizon, self.rule
        side = self.sides.rivals[rival]
        pair = pair_streams(
            side.champion,
            side.fresh,
            horizon=horizon,
            stake=rule.stake,
            known_at=self.known_at,
        )
        weighed = weigh_pair(pair, rule, threshold=self.thresholds[rival])
        finding = _describe(rival, pair, weighed, self.thresholds[rival])
        if rival != self.record.champion:
            finding = replace(finding, evidence_not_worse=None)
        is_claim = weighed.best >= finding.threshold
        may_refresh = not is_claim and self._may_refresh(finding)
        mover = self._find_mover(rival, pair, is_refresh=may_refresh)
        guards = self._guard(rival, pair, mover, is_refresh=may_refresh)
        state = _find_state(finding, guards, rule, is_claim=is_claim, may_refresh=may_refresh)
        return replace(finding, state=state, guards=guards, mover_version=mover.version)

    def _may_refresh(self, finding: Finding) -> bool:
        age = self.record.as_of - self.record.held_from
        not_worse = finding.evidence_not_worse
        is_old = age >= timedelta(days=self.rule.refresh_days)
        return is_old and not_worse is not None and not_worse >= self.rule.threshold

    def _find_mover(self, rival: str, pair: Pair, *, is_refresh: bool) -> Mover:
        side = self.sides.rivals[rival]
        return find_mover(
            side.champion,
            side.rows,
            pair,
            self.rule,
            horizon=self.record.horizon,
            known_at=self.known_at,
            newer_than=self.record.champion_version if rival == self.record.champion else 0,
            is_refresh=is_refresh,
            entrant=self.record.entrants.get(rival, 0),
        )

    def _guard(
        self, rival: str, pair: Pair, mover: Mover, *, is_refresh: bool
    ) -> tuple[Guard, ...]:
        # a refresh need not be better, so that its guards grant the same margin
        limit = 1 + self.rule.margin_frac if is_refresh else 1.0
        guards = [
            guard_record(mover, self.rule, is_refresh=is_refresh),
            guard_raw_loss(pair, limit),
        ]
        fresh, known = self.sides.rivals[rival].fresh, self.sides.fresh
        horizon, known_at = self.record.horizon, self.known_at
        for name in sorted(self.record.baselines & set(known) - {rival}):
            other = known[name]
            if name == YARDSTICK:
                guards.append(
                    guard_yardstick(fresh, other, self.rule, horizon=horizon, known_at=known_at)
                )
            if rival in self.record.baselines:
                continue
            guards.append(
                guard_baseline(
                    fresh, other, self.rule, horizon=horizon, known_at=known_at, limit=limit
                )
            )
            if not is_refresh:
                guards.append(
                    guard_proof(fresh, other, self.rule, horizon=horizon, known_at=known_at)
                )
        return (*guards, *guard_forecasts(pair, self.rule), guard_same_hours(pair))


def _order_rivals(record: TitleRecord, sides: Sides) -> list[str]:
    """Order the recipes by when they joined, models before baselines, then by the roster."""
    return sorted(
        sides.rivals,
        key=lambda name: (
            sides.rivals[name].rows.as_of.min().astype("datetime64[D]"),
            name in record.baselines,
            record.roster.index(name) if name in record.roster else len(record.roster),
            name,
        ),
    )


def _describe(rival: str, pair: Pair, weighed: Weighed, threshold: float) -> Finding:
    hours = len(pair.as_of)
    means = (float(pair.champion_loss.mean()), float(pair.rival_loss.mean())) if hours else None
    return Finding(
        rival=rival,
        state="open",
        threshold=threshold,
        evidence=weighed.now,
        evidence_a_week_ago=weighed.a_week_ago,
        best_evidence=weighed.best,
        evidence_not_worse=weighed.not_worse,
        evidence_against=weighed.against,
        shared_hours=hours,
        live_hours=int(np.count_nonzero(pair.is_live)),
        dropped_hours=pair.dropped_hours,
        blocks=len(pair.block_start),
        skipped_blocks=pair.skipped_blocks,
        gain_frac=1 - means[1] / means[0] if means and means[0] > 0 else None,
        gain_low=weighed.gain_low,
        gain_high=weighed.gain_high,
        champion_loss=means[0] if means else None,
        rival_loss=means[1] if means else None,
        distance=float(pair.gap.mean()) if hours else None,
        z_week=weighed.z_week,
        weeks_more=weighed.weeks_more,
        old_rule_swaps=count_old_swaps(pair),
        mover_version=None,
        guards=(),
        first_as_of=to_datetime(pair.as_of[0]).isoformat() if hours else None,
        last_as_of=to_datetime(pair.as_of[-1]).isoformat() if hours else None,
    )


def _find_state(
    finding: Finding,
    guards: tuple[Guard, ...],
    rule: GateRule,
    *,
    is_claim: bool,
    may_refresh: bool,
) -> State:
    broken = {guard.name for guard in guards if not guard.holds}
    if is_claim or may_refresh:
        if broken & set(HARD) or (broken and may_refresh):
            return "blocked"
        if broken:
            return "contested"
        return "proven" if is_claim else "refresh"
    if finding.blocks == 0:
        # the first block is always skipped: its forecasts set the scale of the bets
        is_equal = finding.skipped_blocks <= 1 and finding.shared_hours >= HOURS_A_WEEK
        return "tie" if is_equal else "too_few_hours"
    if finding.evidence_against >= rule.threshold:
        return "worse"
    is_flat = finding.z_week is not None and abs(finding.z_week) < TIE_Z_WEEK
    return "tie" if is_flat else "open"


def _find_order(finding: Finding) -> tuple[int, float, str]:
    """Sort what moves the title first, then the larger gain."""
    gain = finding.gain_frac if finding.gain_frac is not None else -np.inf
    return _RANK.get(finding.state, len(_RANK)), -gain, finding.rival


def _find_outcome(record: TitleRecord, leader: Finding | None) -> Outcome:
    if leader is None:
        return "keep_champion"
    if leader.state == "contested":
        return "ask_human"
    if leader.state == "refresh":
        return "refresh_champion"
    if leader.state != "proven":
        return "keep_champion"
    falls_back = leader.rival in record.baselines and record.champion not in record.baselines
    return "fall_back_to_baseline" if falls_back else "promote_challenger"
