"""Guards G1 to G6: each can only block a move, so none can raise the false-claim rate."""

from dataclasses import dataclass

import numpy as np

from ringside.core.forecasts import REPLAYED_VERSION
from ringside.core.gate.evidence import find_best
from ringside.core.gate.pairing import Pair, pair_streams
from ringside.core.gate.rules import HOURS_A_DAY, SHADOW_VERSIONS, GateRule
from ringside.core.gate.streams import Stream, select_version
from ringside.core.gate.verdict import Guard

HARD = ("G1", "G3", "G4", "G6")


@dataclass(frozen=True)
class Mover:
    """The version that would move in and its record; None where no version has one."""

    version: int | None
    record_days: float
    saved: float


def find_mover(
    champion: Stream,
    rows: Stream,
    fresh: Pair,
    rule: GateRule,
    *,
    horizon: int,
    known_at: np.datetime64,
    newer_than: int,
    is_refresh: bool,
    entrant: int = 0,
) -> Mover:
    """Find the oldest of the last four versions whose own shadow record is long and not a loss.

    Of the champion's own recipe only versions `newer_than` the champion's may move in. Before
    `live_hours_enough` live hours, the replayed stream stands in for the record that the newest
    version, or the `entrant`, cannot have.
    """
    # replaced on its last day: a few missing hours must not make it too young
    needed = find_record_days(rule, is_refresh=is_refresh) * rule.min_scored_frac
    versions = np.unique(rows.model_version)
    versions = versions[versions > max(newer_than, REPLAYED_VERSION)][-SHADOW_VERSIONS:]
    best = Mover(None, 0.0, 0.0)
    for version in versions.tolist():
        own = rows.take(rows.model_version == version)
        shadow = select_version(own, version)
        pair = pair_streams(champion, shadow, horizon=horizon, stake=rule.stake, known_at=known_at)
        days, saved = _measure_record(pair)
        if days >= needed and saved >= 0:
            return Mover(version, days, saved)
        if days > best.record_days:
            best = Mover(None, days, saved)
    newest = max([entrant, *versions.tolist()])
    if newest > max(newer_than, REPLAYED_VERSION) and _is_replayed_record(fresh, rule):
        days, saved = _measure_record(fresh)
        return Mover(newest if days >= needed and saved >= 0 else None, days, saved)
    return best


def _measure_record(pair: Pair) -> tuple[float, float]:
    """Give the days of a record and what it saved over all its hours, in units of the stake."""
    return len(pair.as_of) / HOURS_A_DAY, float((pair.champion_loss - pair.rival_loss).sum())


def _is_replayed_record(fresh: Pair, rule: GateRule) -> bool:
    live = np.count_nonzero(fresh.is_live)
    return bool(live < rule.live_hours_enough and not fresh.is_live.all())


def find_record_days(rule: GateRule, *, is_refresh: bool) -> int:
    """Find the days of own shadow record that a version needs to move in."""
    return rule.refresh_record_days if is_refresh else rule.record_days


def guard_record(mover: Mover, rule: GateRule, *, is_refresh: bool) -> Guard:
    """G1: somebody may move in; the number is the longest record in days."""
    needed = find_record_days(rule, is_refresh=is_refresh) * rule.min_scored_frac
    return Guard("G1", mover.version is not None, mover.record_days, needed)


def guard_raw_loss(pair: Pair, limit: float) -> Guard:
    """G2: the unweighted loss over the champion's, the number, is not above `limit`."""
    champion, rival = float(pair.champion_raw.sum()), float(pair.rival_raw.sum())
    ratio = rival / champion if champion > 0 else 1.0
    return Guard("G2", ratio <= limit, ratio, limit)


def guard_yardstick(
    rival: Stream,
    yardstick: Stream,
    rule: GateRule,
    *,
    horizon: int,
    known_at: np.datetime64,
) -> Guard:
    """G3: persistence has not proven to be better than the rival; the number is its evidence."""
    pair = pair_streams(rival, yardstick, horizon=horizon, stake=rule.stake, known_at=known_at)
    best = find_best(pair, rule)
    return Guard("G3", best < rule.threshold, best, rule.threshold)


def guard_baseline(
    rival: Stream,
    baseline: Stream,
    rule: GateRule,
    *,
    horizon: int,
    known_at: np.datetime64,
    limit: float,
) -> Guard:
    """G3 for a model: its loss over a baseline's, the number, is not above `limit`."""
    pair = pair_streams(baseline, rival, horizon=horizon, stake=rule.stake, known_at=known_at)
    ours, theirs = float(pair.rival_loss.sum()), float(pair.champion_loss.sum())
    return Guard("G3", ours <= limit * theirs, ours / theirs if theirs > 0 else None, limit)


def guard_proof(
    rival: Stream,
    baseline: Stream,
    rule: GateRule,
    *,
    horizon: int,
    known_at: np.datetime64,
) -> Guard:
    """G6: a model is proven to be better than a baseline too; the number is its evidence.

    Without it a model that has learnt nothing, but forecasts like a baseline, could take the title
    from a weaker one before that baseline does.

    Source: docs/decisions/0013-a-model-is-proven-against-every-baseline.md
    """
    pair = pair_streams(baseline, rival, horizon=horizon, stake=rule.stake, known_at=known_at)
    best = find_best(pair, rule)
    return Guard("G6", best >= rule.threshold, best, rule.threshold)


def guard_forecasts(pair: Pair, rule: GateRule) -> list[Guard]:
    """G4: enough hours, and forecasts of the champion's order of size, up or down.

    The first number is the share of the champion's hours with a finite forecast of both; the
    second the ratio of the root mean squares of all quantiles, turned to be at least 1.
    """
    share = len(pair.as_of) / pair.champion_hours if pair.champion_hours else 0.0
    champion, rival = (
        float(np.sqrt((size**2).mean())) if len(size) else 0.0
        for size in (pair.champion_size, pair.rival_size)
    )
    smaller, larger = sorted((champion, rival))
    ratio = larger / smaller if smaller > 0 else None
    is_sane = ratio is not None and ratio <= rule.max_size_ratio
    return [
        Guard("G4", share >= rule.min_scored_frac, share, rule.min_scored_frac),
        Guard("G4", is_sane, ratio, rule.max_size_ratio),
    ]


def guard_same_hours(pair: Pair) -> Guard:
    """G5: hours of one alone were dropped for both; never blocks, the number is their count."""
    return Guard("G5", True, float(pair.dropped_hours), 0.0)
