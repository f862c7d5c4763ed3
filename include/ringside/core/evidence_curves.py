"""How the evidence for each rival of a champion grew, block by block, and where it is heading."""

from dataclasses import dataclass

import numpy as np

from ringside.core.candles import HOUR, Floats, Times, to_datetime64
from ringside.core.gate.decision import decide_title
from ringside.core.gate.evidence import trace_evidence
from ringside.core.gate.pairing import pair_streams
from ringside.core.gate.rules import GateRule, find_block_hours
from ringside.core.gate.sides import lay_out_sides
from ringside.core.gate.streams import TitleRecord


@dataclass(frozen=True)
class EvidenceCurve:
    """The evidence for one rival: `evidence` after the blocks that end at `times`, shape (b,).

    `threshold` is what it must reach, `weeks_more` the pace, None where there is none.
    """

    rival: str
    times: Times
    evidence: Floats
    threshold: float
    weeks_more: float | None


def trace_curves(record: TitleRecord, rule: GateRule) -> list[EvidenceCurve]:
    """Trace the evidence for every rival on which a bet was placed, the deciding one first."""
    sides = lay_out_sides(record, rule)
    block = find_block_hours(record.horizon, rule.stake) * HOUR
    curves = []
    for finding in decide_title(record, rule).findings:
        side = sides.rivals[finding.rival]
        pair = pair_streams(
            side.champion,
            side.fresh,
            horizon=record.horizon,
            stake=rule.stake,
            known_at=to_datetime64(record.as_of),
        )
        is_itself = len(pair.gap) == 0 or not np.any(pair.gap)
        if is_itself or len(pair.block_start) == 0:
            continue
        times = pair.block_start + block
        evidence = trace_evidence(pair, rule)
        curves.append(
            EvidenceCurve(finding.rival, times, evidence, finding.threshold, finding.weeks_more)
        )
    return curves
