"""How the evidence for each rival of a champion grew, block by block, and where it is heading."""

from dataclasses import dataclass

import numpy as np

from ringside.core.candles import HOUR, Floats, Times, to_datetime64
from ringside.core.gate.decision import decide_title
from ringside.core.gate.evidence import trace_evidence
from ringside.core.gate.pairing import pair_streams
from ringside.core.gate.rules import GateRule, find_block_hours
from ringside.core.gate.streams import TitleRecord, select_fresh, select_version


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
    known = record.select_known()
    if record.champion not in known:
        return []
    champion = select_version(known[record.champion], record.champion_version)
    block = find_block_hours(record.horizon, rule.stake) * HOUR
    curves = []
    for finding in decide_title(record, rule).findings:
        pair = pair_streams(
            champion,
            select_fresh(known[finding.rival]),
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
