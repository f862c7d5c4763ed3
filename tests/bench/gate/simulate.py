"""Measure the gate on made-up histories: false claims, swaps, power, harm, shocks.

    python tests/bench/gate/simulate.py [HISTORIES] [HORIZON] [band|point] [WORLD ...]

Two years each, one challenger a week, daily looks and, where named, weekly ones. Claims are counted
at the threshold of a single recipe (20) and of the first other recipe among several (80).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "include"))
sys.path.insert(0, str(Path(__file__).parent))

import world as made

from ringside.core.gate.evidence import MARGIN_SHARE, compute_path
from ringside.core.gate.rules import LATEST_DAYS, GateRule, find_block_hours
from ringside.core.gate.stakes import stake_band, stake_point, sum_blocks

RULE = GateRule()
CHUNK = 25
LAGS = 4


@dataclass(frozen=True)
class Scenario:
    """Who is worse by how much: versions trained before or after `shock_week`.

    With `slow_error` equals differ in width for weeks on end; without `is_patient` days count as
    if they did not resemble each other.
    """

    name: str
    old_worse: float = 0.0
    new_worse: float = 0.0
    shock_week: int = 0
    threshold: float = 20.0
    refreshes: bool = True
    slow_error: float = 0.0
    is_patient: bool = True


SCENARIOS = (
    Scenario("nothing better"),
    # another recipe's evidence runs on while versions of the champion's hand over to each other
    Scenario("another recipe, no better", refreshes=False),
    Scenario("2 % better, threshold 20", old_worse=0.02, refreshes=False),
    Scenario("2 % better, threshold 80", old_worse=0.02, refreshes=False, threshold=80),
    Scenario("2 % better, 40 or refresh", old_worse=0.02, threshold=40),
    Scenario("all fresh 1 % worse", new_worse=0.01),
    Scenario("shock 5 %", old_worse=0.05, shock_week=40, threshold=40),
    Scenario("shock 2 %", old_worse=0.02, shock_week=40, threshold=40),
    Scenario("slow equals", refreshes=False, slow_error=0.3),
    Scenario("slow equals, without patience", refreshes=False, slow_error=0.3, is_patient=False),
    Scenario("equals, without patience", refreshes=False, is_patient=False),
)


class Models:
    """Forecasts of one chunk of histories: a location and a width per version and hour."""

    def __init__(self, rng, world, stake, slow_error=0.0):
        self.rng, self.world, self.stake, self.slow_error = rng, world, stake, slow_error
        shape = world.u.shape
        self.week = np.arange(shape[1]) // made.WEEK
        half_life = 24
        self.trait = (
            made.fade(rng, shape, half_life) if stake == "band" else made.own_error(rng, shape)
        )

    def forecast(self, amplitude):
        """Own errors, drawn anew, and the common error of the worse scaled by `amplitude`."""
        shape = self.world.u.shape
        location = made.own_error(self.rng, shape) * (made.KAPPA / np.sqrt(2))
        width = made.fade(self.rng, shape, 12) * made.WIDTH_ERROR
        if self.slow_error:
            width += made.fade(self.rng, shape, made.WEEK) * self.slow_error
        if self.stake == "band":
            return made.pinball(self.world, location, width + amplitude * self.trait), width
        scale = np.sqrt(np.mean(self.world.u**2))
        return (location + amplitude * self.trait) * scale, width

    def stakes(self, champion, rival):
        if self.stake == "band":
            (loss, width), (other, wide) = champion, rival
            # the mean gap of the quantiles, from the widths alone: it only starts the scale
            gap = np.abs(np.exp(wide) - np.exp(width)) * np.abs(self.world.band).mean()
            gap = np.maximum(gap, made.KAPPA * np.sqrt(np.mean(self.world.u[:5] ** 2)) * 0.8)
            return stake_band(loss, other, gap)
        return stake_point(champion[0], rival[0], self.world.u.astype(float))


def find_amplitude(stake, worse, horizon):
    """Find the size of the common error that costs the share `worse` of the expected loss."""
    if worse == 0:
        return 0.0
    if stake == "point":
        return float(np.sqrt(worse))
    rng = np.random.default_rng(99)
    world = made.simulate(rng, 20, horizon=horizon)
    models = Models(rng, world, stake)
    zero = models.forecast(0.0)[0].mean()
    low, high = 0.0, 1.5
    for _ in range(9):
        middle = (low + high) / 2
        is_small = models.forecast(middle)[0].mean() / zero - 1 < worse
        low, high = (middle, high) if is_small else (low, middle)
    return (low + high) / 2


def make_blocks(scenario, stake, horizon, histories, seed):
    """Blocks of (old, new) champion against each of the last four versions, first one left out."""
    old, new = (find_amplitude(stake, w, horizon) for w in (scenario.old_worse, scenario.new_worse))
    parts = []
    for start in range(0, histories, CHUNK):
        rng = np.random.default_rng([seed, start])
        world = made.simulate(rng, min(CHUNK, histories - start), horizon=horizon)
        models = Models(rng, world, stake, scenario.slow_error)
        is_late = models.week >= scenario.shock_week
        champions = [models.forecast(np.where(is_late, size, 0.0)) for size in (old, new)]
        part = []
        for lag in range(LAGS):
            is_new = models.week - lag >= scenario.shock_week
            rival = models.forecast(np.where(is_new, new, np.where(is_late, old, 0.0)))
            for champion in champions:
                blocks = sum_blocks(
                    models.stakes(champion, rival), find_block_hours(horizon, stake)
                )
                part.append([blocks.saved[:, 1:], blocks.cost[:, 1:], blocks.scale[:, 1:]])
        parts.append(np.array(part))
    whole = np.concatenate(parts, axis=2)
    return whole.reshape(LAGS, 2, *whole.shape[1:])  # lag, champion, (saved, cost, scale), n, b


class History:
    """Lets the gate run over the blocks of one history, reign after reign."""

    def __init__(self, blocks, scenario, stake, horizon, *, each_days):
        self.blocks, self.scenario, self.stake, self.horizon = blocks, scenario, stake, horizon
        self.days = find_block_hours(horizon, stake) / 24
        self.each = max(round(each_days / self.days), 1)
        self.claims, self.refreshes, self.in_place = [], [], None
        self.weeks = np.array([self.find_week(one) for one in range(blocks.shape[-1])])
        self.is_new_champion = 0

    def path(self, start, end, shift):
        saved, cost, scale = self.blocks[0, self.is_new_champion, :, start:end]
        restarts = [round(28 * n / self.days) for n in range(1, 27)]
        restarts = [place for place in restarts if place < saved.shape[-1]]
        # of the stakes only the band's evidence is taken patiently
        stake = self.stake if self.scenario.is_patient else "point"
        return compute_path(saved - shift * cost, scale, restarts, stake=stake)

    def find_mover(self, block, days):
        """Lag of the oldest version with enough days and no loss, else None (guard G1)."""
        now_week = self.find_week(block + 1)
        weeks = self.weeks[: block + 1]
        for lag in reversed(range(LAGS)):
            mine = np.flatnonzero(weeks >= now_week - lag)
            if len(mine) * self.days < days * RULE.min_scored_frac:
                continue
            age = weeks[mine] - (now_week - lag)
            if self.blocks[age, self.is_new_champion, 0, mine].sum() >= 0:
                return lag
        return None

    def find_week(self, block):
        """Week in which a block begins; the first block of the history was left out."""
        return int((block + 1) * self.days / 7)

    def run(self):
        start, total = 0, self.blocks.shape[-1]
        while start < total:
            soon = min(start + round(30 * 7 / self.days), total)
            found = self.find_swap(start, soon) or self.find_swap(start, total)
            if found is None:
                break
            block, lag, is_claim = found
            (self.claims if is_claim else self.refreshes).append(block)
            trained = self.find_week(block + 1) - lag
            self.is_new_champion = int(trained >= self.scenario.shock_week)
            if self.is_new_champion and self.in_place is None:
                self.in_place = (block + 2) * self.days / 7 - self.scenario.shock_week
            start = block + 1
        return self

    def find_swap(self, start, total):
        latest = round(LATEST_DAYS / self.days)
        path = self.path(start, total, 0.0)
        calm = self.path(start, total, -RULE.margin_frac * MARGIN_SHARE)
        for block in range(start, total):
            if (block + 3) % self.each:  # weekly looks come on the day before a training
                continue
            recent = slice(max(block - start - latest + 1, 0), block - start + 1)
            is_claim = path[recent].max() >= self.scenario.threshold
            is_old = (block + 1 - start) * self.days >= RULE.refresh_days
            may_refresh = self.scenario.refreshes and is_old and calm[recent].max() >= 20
            if not is_claim and not may_refresh:
                continue
            needed = RULE.record_days if is_claim else RULE.refresh_record_days
            lag = self.find_mover(block, needed)
            if lag is not None:
                return block, lag, is_claim
        return None


def report(scenario, stake, horizon, histories, looks=(1,)):
    """One line per rhythm of looks, `looks` in days."""
    blocks = make_blocks(scenario, stake, horizon, histories, seed=horizon)
    saved = blocks[0, 0, 0]
    z = saved.mean() / saved.std() * np.sqrt(7 / (find_block_hours(horizon, stake) / 24))
    for each_days in looks:
        runs = [
            History(blocks[..., n, :], scenario, stake, horizon, each_days=each_days).run()
            for n in range(histories)
        ]
        rhythm = "daily" if each_days == 1 else "weekly"
        claimed = np.mean([bool(run.claims) for run in runs])
        error = 1.96 * np.sqrt(claimed * (1 - claimed) / histories)
        swaps = [len(run.claims) + len(run.refreshes) for run in runs]
        taken = np.mean([run.in_place is not None for run in runs])
        weeks = np.array([np.inf if run.in_place is None else run.in_place for run in runs])
        median, most = (float(np.quantile(weeks, q, method="lower")) for q in (0.5, 0.8))
        print(
            f"| {horizon} h | {stake} | {scenario.name} | {rhythm} "
            f"| {claimed:.3f} ± {error:.3f} | {np.mean(swaps):.1f} ({max(swaps)}) | {taken:.3f} "
            f"| {median:.1f} ({most:.1f}) | {z:.2f} |",
            flush=True,
        )


def main(histories="400", horizon="1", stake="band", *names):
    """Print a table of the scenarios whose name begins with one of `names`, or of all."""
    print(
        "| horizon | stake | world | looks | claimed | swaps in 104 weeks (most) "
        "| fresh kind in place | after weeks: median (80 %) | z a week |"
    )
    print("|" + "---|" * 9)
    for scenario in SCENARIOS:
        if not names or scenario.name.startswith(names):
            looks = (1, 7) if scenario in SCENARIOS[:2] else (1,)
            report(scenario, stake, int(horizon), int(histories), looks)


if __name__ == "__main__":
    main(*sys.argv[1:])
