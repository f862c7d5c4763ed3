"""Measure the gate on a real walk-forward: nulls, power over start dates, and a replay.

    python tests/bench/gate/real.py [SYMBOL] [HORIZON]

Reads what tests/bench/gate/real_forecasts.py has kept. All histories share one price series, so
the shares are good to a few points only.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "include"))
sys.path.insert(0, str(Path(__file__).parent))

from real_forecasts import cache_path, find_newest, load

from ringside.core.candles import HOUR
from ringside.core.contestants import CONTESTANTS
from ringside.core.gate.evidence import MARGIN_SHARE, compute_path
from ringside.core.gate.rules import LATEST_DAYS, GateRule, find_block_hours
from ringside.core.gate.stakes import stake_band, stake_point, sum_blocks
from ringside.core.metrics import compute_pinball_loss
from ringside.core.quantiles import MEDIAN

RULE = GateRule()
WEEK = 168
BASELINES = frozenset(name for name, kind in CONTESTANTS.items() if kind.is_baseline)
MODELS = [name for name in CONTESTANTS if name not in BASELINES]


class Ring:
    """One symbol and horizon: every recipe's versions on an hourly grid of whole weeks.

    A version is named (recipe, number); its number is the week after its training.
    """

    def __init__(self, symbol, horizon, stake):
        self.symbol, self.horizon, self.stake = symbol, horizon, stake
        self.days = find_block_hours(horizon) / 24
        self.found = {}
        for name in CONTESTANTS:
            if cache_path(symbol, horizon, name, "seed1").exists():
                self.found[name] = load(symbol, horizon, name, "seed1")
        one = self.found["persistence"]
        self.first_hour = one["as_of"][one["first"][0]]
        self.place = ((one["as_of"] - self.first_hour) / HOUR).astype(int)
        self.hours = (int(self.place[-1]) + 1) // WEEK * WEEK
        self.weeks = self.hours // WEEK
        self.sigma = self.grid(one["sigma"])
        self.u = self.grid(one["realised"] / one["sigma"])
        self.known = {}

    def grid(self, column):
        wide = np.full((self.hours, *column.shape[1:]), np.nan)
        inside = self.place < self.hours
        wide[self.place[inside]] = column[inside]
        return wide

    def stream(self, name, kind="seed1"):
        """Quantiles of the newest version each hour."""
        key = (name, kind)
        if key not in self.known:
            found = self.found[name] if kind == "seed1" else load(self.symbol, self.horizon, *key)
            self.known[key] = self.charge(self.grid(find_newest(found)[0]))
        return self.known[key]

    def version(self, name, number):
        key = (name, number)
        if key not in self.known:
            self.known[key] = self.charge(self.grid(self.found[name]["scaled"][number]))
        return self.known[key]

    def charge(self, quantiles):
        return quantiles.astype(np.float32), compute_pinball_loss(self.u, quantiles)

    def stakes(self, champion, rival):
        (first, loss), (second, other) = champion, rival
        if self.stake == "band":
            return stake_band(loss, other, np.abs(second - first).mean(axis=-1, dtype=float))
        root = np.sqrt(self.horizon)
        medians = (one[:, MEDIAN].astype(float) / root for one in (first, second))
        return stake_point(*medians, self.u / root)

    def blocks(self, champion, rival, start_week, weeks):
        """Blocks of `weeks` weeks from one on; those before lend the size of the forecasts."""
        before = min(4, start_week)
        span = slice((start_week - before) * WEEK, min(start_week + weeks, self.weeks) * WEEK)
        cut = [tuple(part[span] for part in one) for one in (champion, rival)]
        kept, self.u = self.u, self.u[span]
        stakes = self.stakes(*cut)
        self.u = kept
        blocks = sum_blocks(stakes, find_block_hours(self.horizon))
        drop = max(round(before * 7 / self.days), 1)
        return blocks.take(np.arange(len(blocks.hours)) >= drop)

    def path(self, blocks, shift=0.0):
        places = [round(28 * n / self.days) for n in range(1, 27)]
        places = [place for place in places if place < len(blocks.saved)]
        saved = blocks.saved - shift * blocks.cost
        return compute_path(saved, blocks.scale, places, stake=self.stake, horizon=self.horizon)


def join(ring, pieces):
    """One stream of several, each from its week to the next one's."""
    parts = [tuple(part[week * WEEK : until * WEEK] for part in one) for one, week, until in pieces]
    return tuple(np.concatenate([part[n] for part in parts]) for n in (0, 1))


def print_null(ring, name, draws=8):
    """Two seeds of one recipe; who is called champion is drawn anew each week."""
    first, second = ring.stream(name), ring.stream(name, "seed2")
    rng = np.random.default_rng(7)
    claims, draws_made = {20: 0, 40: 0, 80: 0}, 0
    for start in range(1, ring.weeks - 104, 4):
        for _ in range(draws):
            swap = np.repeat(rng.integers(0, 2, ring.weeks), WEEK)[:, None].astype(bool)
            champion = (
                np.where(swap, first[0], second[0]),
                np.where(swap[:, 0], first[1], second[1]),
            )
            rival = np.where(swap, second[0], first[0]), np.where(swap[:, 0], second[1], first[1])
            top = ring.path(ring.blocks(champion, rival, start, 104)).max()
            draws_made += 1
            for threshold in claims:
                claims[threshold] += top >= threshold
    shares = ", ".join(f"{count / draws_made:.3f} at {at}" for at, count in claims.items())
    print(f"| h{ring.horizon} {ring.stake} | null: two seeds of {name} | {draws_made} | {shares} |")


def find_weeks_to_title(ring, champion_name, rival, start, *, threshold, mover=None, weeks=104):
    """Weeks until the claim is proven and, with `mover`, a version with a record is there."""
    champion = ring.version(champion_name, start)
    path = ring.path(ring.blocks(champion, rival, start, weeks))
    latest = round(LATEST_DAYS / ring.days)
    for block in np.flatnonzero(path >= threshold):
        for look in range(block, min(block + latest, len(path))):
            if mover is None or find_mover(ring, champion, mover, start, look, RULE.record_days):
                return (look + 1) * ring.days / 7
    return np.inf


def find_mover(ring, champion, name, start, block, days):
    """Guard G1: the oldest of the last four versions with its own record and no loss."""
    now = start * WEEK + round((block + 1) * ring.days * 24) - ring.horizon
    newest = min(now // WEEK, len(ring.found[name]["first"]) - 1)
    for number in range(max(newest - 3, 0), newest + 1):
        span = slice(number * WEEK, now)
        if now - number * WEEK < days * 24 * RULE.min_scored_frac:
            return None
        saved = np.nansum(champion[1][span] - ring.version(name, number)[1][span])
        if saved >= 0:
            return (name, number)
    return None


def print_power(ring):
    starts = range(4, ring.weeks - 104, 4)
    for champion in sorted(BASELINES):
        for name in MODELS:
            for kind, mover in (("seed1", name), ("shuffled", None)):
                rival = ring.stream(name, kind)
                for threshold in (20, 80):
                    weeks = [
                        find_weeks_to_title(
                            ring, champion, rival, start, threshold=threshold, mover=mover
                        )
                        for start in starts
                    ]
                    median, most = (np.quantile(weeks, q, method="lower") for q in (0.5, 0.8))
                    label = name if kind == "seed1" else f"{name} on shuffled labels"
                    print(
                        f"| h{ring.horizon} {ring.stake} | {champion} -> {label}, threshold "
                        f"{threshold} | {len(weeks)} | {np.isfinite(weeks).mean():.2f} in 104 weeks; "
                        f"median {median:.1f} (80 %: {most:.1f}) |",
                        flush=True,
                    )
        # the way back: champion is a model, the rival a baseline
    for name in MODELS:
        for baseline in sorted(BASELINES):
            weeks = [
                find_weeks_to_title(ring, name, ring.stream(baseline), start, threshold=40)
                for start in starts
            ]
            print(
                f"| h{ring.horizon} {ring.stake} | {name} -> {baseline} (fall back), threshold 40 "
                f"| {len(weeks)} | {np.isfinite(weeks).mean():.2f} in 104 weeks |",
                flush=True,
            )


class Replay:
    """The full gate from `start` on, persistence first; guards G1, G2 and G3."""

    def __init__(self, ring, start):
        self.ring, self.start = ring, start
        self.reigns = [(("persistence", start), start * WEEK, "first")]

    def run(self):
        while True:
            (name, number), hour, _ = self.reigns[-1]
            found = self.find_swap(name, number, hour)
            if found is None:
                return self
            self.reigns.append(found)

    def find_swap(self, name, number, hour):
        ring = self.ring
        champion = ring.version(name, number)
        start = -(-hour // WEEK)
        if start >= ring.weeks - 1:
            return None
        order = sorted(ring.found, key=lambda one: (one in BASELINES, list(CONTESTANTS).index(one)))
        limits = RULE.find_thresholds(order, name, BASELINES)
        paths, calm = {}, None
        for rival in order:
            blocks = ring.blocks(champion, ring.stream(rival), start, ring.weeks)
            paths[rival] = ring.path(blocks)
            if rival == name:
                calm = ring.path(blocks, -RULE.margin_frac * MARGIN_SHARE)
        latest = round(LATEST_DAYS / ring.days)
        for block in range(len(calm)):
            recent = slice(max(block - latest + 1, 0), block + 1)
            won = [r for r in order if paths[r][recent].max() >= limits[r]]
            for rival in won:
                found = self.admit(champion, rival, start, block, RULE.record_days, recent)
                if found:
                    return found, self.hour(start, block), "claim"
            if (block + 1) * ring.days >= RULE.refresh_days and calm[recent].max() >= 20:
                found = self.admit(champion, name, start, block, RULE.refresh_record_days, recent)
                if found:
                    return found, self.hour(start, block), "refresh"
        return None

    def hour(self, start, block):
        return start * WEEK + round((block + 1) * self.ring.days * 24)

    def admit(self, champion, rival, start, block, days, recent):
        ring = self.ring
        span = slice(start * WEEK, self.hour(start, block) - ring.horizon)
        fresh = ring.stream(rival)
        if np.nansum((fresh[1] - champion[1])[span] * ring.sigma[span]) > 0:
            return None
        if rival != "persistence":
            blocks = ring.blocks(fresh, ring.stream("persistence"), start, ring.weeks)
            if ring.path(blocks)[recent].max() >= RULE.threshold:
                return None
        return find_mover(ring, champion, rival, start, block, days)

    def loss(self):
        ring = self.ring
        edges = [hour for _, hour, _ in self.reigns] + [ring.hours]
        parts = [
            ring.version(*version)[1][edges[n] : edges[n + 1]]
            for n, (version, _, _) in enumerate(self.reigns)
        ]
        return np.concatenate(parts)


def follow_lowest(ring, start, names, weeks):
    """Each week the newest version of the recipe with the lowest loss over the weeks before."""
    sums = {
        name: np.nansum(ring.stream(name)[1].reshape(ring.weeks, WEEK), axis=1) for name in names
    }
    parts, holders = [], []
    for week in range(start, ring.weeks):
        best = min(names, key=lambda name: sums[name][max(week - weeks, 0) : week].sum())
        holders.append(best)
        parts.append(ring.stream(best)[1][week * WEEK : (week + 1) * WEEK])
    # a week in which the same recipe goes on still brings a newly trained version
    return np.concatenate(parts), len(holders), sum(a != b for a, b in zip(holders, holders[1:]))


def print_replay(ring, year="2021-01-04"):
    start = int((np.datetime64(year) - ring.first_hour) / (WEEK * HOUR)) + 1
    span = slice(start * WEEK, ring.hours)
    yardstick = ring.stream("persistence")[1][span]
    ok = np.isfinite(yardstick)
    names = list(ring.found)

    def show(policy, loss, swaps, note=""):
        skill = 100 * (1 - loss[ok].sum() / yardstick[ok].sum())
        print(f"| h{ring.horizon} {ring.stake} | {policy} | {skill:+.2f} % | {swaps} | {note} |")

    show("never change (first persistence)", ring.version("persistence", start)[1][span], 0)
    for name in names:
        show(f"always the newest {name}", ring.stream(name)[1][span], ring.weeks - start - 1)
        show(f"never change (first {name})", ring.version(name, start)[1][span], 0)
    for weeks in (1, 4):
        loss, swaps, recipes = follow_lowest(ring, start, names, weeks)
        show(f"lower loss in the last {weeks} week(s)", loss, swaps, f"{recipes} changes of recipe")
    replay = Replay(ring, start).run()
    told = ", ".join(
        f"{version[0]} v{version[1]} in week {hour / WEEK - start:.0f} ({why})"
        for version, hour, why in replay.reigns[1:6]
    )
    show("the gate", replay.loss(), len(replay.reigns) - 1, told)


def main(symbol="BTC/USDT", horizon="1"):
    for stake in ("band", "point"):
        ring = Ring(symbol, int(horizon), stake)
        for name in MODELS:
            if name in ring.found:
                print_null(ring, name)
        print_power(ring)
        print_replay(ring)


if __name__ == "__main__":
    main(*sys.argv[1:])
