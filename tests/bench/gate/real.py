"""Measure the gate on a real walk-forward: nulls, power over start dates, and a replay.

    python tests/bench/gate/real.py [SYMBOL] [HORIZON] [band|point] [null|replay|power ...]

Reads what tests/bench/gate/real_forecasts.py has kept. All histories share one price series, so
the shares are good to a few points only.
"""

import sys
from itertools import pairwise
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
SHUFFLED = " on shuffled labels"
RECORD_WEEKS = 8  # replayed before the first hour, as the platform does
BASELINES = frozenset(name for name, kind in CONTESTANTS.items() if kind.is_baseline)
MODELS = [name for name in CONTESTANTS if name not in BASELINES]


class Ring:
    """One symbol and horizon: every recipe's versions on an hourly grid of whole weeks.

    A version is named (recipe, number); its number is the week after its training.
    """

    def __init__(self, symbol, horizon, stake):
        self.symbol, self.horizon, self.stake = symbol, horizon, stake
        self.days = find_block_hours(horizon, stake) / 24
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
        """Quantiles of the newest version each hour, and their loss."""
        if name.endswith(SHUFFLED):
            name, kind = name.removesuffix(SHUFFLED), "shuffled"
        key = (name, kind)
        if key not in self.known:
            found = self.found[name] if kind == "seed1" else load(self.symbol, self.horizon, *key)
            self.known[key] = self.charge(self.grid(find_newest(found)[0]))
        return self.known[key]

    def version(self, name, number):
        """One version from its training on; of shuffled labels only the stream is kept."""
        if name.endswith(SHUFFLED):
            return self.stream(name.removesuffix(SHUFFLED), "shuffled")
        key = (name, number)
        if key not in self.known:
            self.known[key] = self.charge(self.grid(self.found[name]["scaled"][number]))
        return self.known[key]

    def charge(self, quantiles):
        if self.stake == "band":
            loss = compute_pinball_loss(self.u, quantiles)
        else:
            loss = (self.u - quantiles[:, MEDIAN]) ** 2 / self.horizon
        return quantiles.astype(np.float32), loss

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
        blocks = sum_blocks(stakes, find_block_hours(self.horizon, self.stake))
        drop = max(round(before * 7 / self.days), 1)
        return blocks.take(np.arange(len(blocks.hours)) >= drop)

    def path(self, blocks, shift=0.0):
        places = [round(28 * n / self.days) for n in range(1, 27)]
        places = [place for place in places if place < len(blocks.saved)]
        saved = blocks.saved - shift * blocks.cost
        return compute_path(saved, blocks.scale, places, stake=self.stake)


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


def find_mover(ring, champion, name, now, days):
    """Guard G1: the oldest of the last four versions with its own record and no loss."""
    newest = min(now // WEEK, ring.weeks - 1)
    for number in range(max(newest - 3, 0), newest + 1):
        if now - number * WEEK < days * 24 * RULE.min_scored_frac:
            return None
        span = slice(number * WEEK, now)
        if np.nansum(champion[1][span] - ring.version(name, number)[1][span]) >= 0:
            return (name, number)
    return None


class Replay:
    """The full gate over `weeks` weeks from `start` on, guards G1, G2 and G3 included.

    The first champion is the version of `first` of that week. With `record` the weeks before count
    as evidence: they are forecast by the fresh streams, and the newest version may move in.
    """

    def __init__(self, ring, start, names, *, first="persistence", weeks=10**6, record=0):
        self.ring, self.start, self.names, self.record = ring, start, names, record
        self.end = min(start + weeks, ring.weeks)
        self.reigns = [((first, start), start * WEEK, "first")]

    def run(self, until=None):
        while not (until and self.reigns[-1][0][0] == until):
            found = self.find_swap()
            if found is None:
                break
            self.reigns.append(found)
        return self

    def find_swap(self):
        ring = self.ring
        (name, number), hour, why = self.reigns[-1]
        champion = ring.version(name, number)
        record = self.record if why == "first" else 0
        if record:
            edge = self.start * WEEK
            fresh = ring.stream(name)
            champion = tuple(np.concatenate([fresh[n][:edge], champion[n][edge:]]) for n in (0, 1))
        start = -(-hour // WEEK) - record
        if start >= self.end - 1:
            return None
        order = sorted(self.names, key=lambda one: (one in BASELINES, self.names.index(one)))
        limits = RULE.find_thresholds(order, name, BASELINES)
        blocks = {
            one: ring.blocks(champion, ring.stream(one), start, self.end - start) for one in order
        }
        paths = {one: ring.path(blocks[one]) for one in order}
        calm = ring.path(blocks[name], -RULE.margin_frac * MARGIN_SHARE)
        return self.look(champion, start, record, (order, limits, paths, calm))

    def look(self, champion, start, record, book):
        """Look every day until somebody moves in."""
        order, limits, paths, calm = book
        ring = self.ring
        (name, _), hour, _ = self.reigns[-1]
        latest = round(LATEST_DAYS / ring.days)
        first = max(round(record * 7 / ring.days) - 1, 0)
        for block in range(first, len(calm)):
            recent = slice(max(block - latest + 1, 0), block + 1)
            now = start * WEEK + round((block + 1) * ring.days * 24)
            won = [one for one in order if paths[one][recent].max() >= limits[one]]
            is_old = now - hour >= RULE.refresh_days * 24
            if is_old and calm[recent].max() >= RULE.threshold and name not in won:
                won.append(name)
            for rival in won:
                is_claim = paths[rival][recent].max() >= limits[rival]
                days = RULE.record_days if is_claim else RULE.refresh_record_days
                if not self.passes(champion, rival, start, now, recent):
                    continue
                found = find_mover(ring, champion, rival, now, days)
                if record and now // WEEK < self.start + 2:
                    found = (rival, now // WEEK)
                if found:
                    return found, now, "claim" if is_claim else "refresh"
        return None

    def passes(self, champion, rival, start, now, recent):
        """Guards G2 and G3."""
        ring = self.ring
        span = slice(start * WEEK, now - ring.horizon)
        fresh = ring.stream(rival)
        power = 1 if ring.stake == "band" else 2
        if np.nansum((fresh[1] - champion[1])[span] * ring.sigma[span] ** power) > 0:
            return False
        if rival == "persistence":
            return True
        if rival not in BASELINES:
            losses = {one: np.nansum(ring.stream(one)[1][span]) for one in (rival, *BASELINES)}
            if losses[rival] > min(losses.values()):
                return False
        blocks = ring.blocks(fresh, ring.stream("persistence"), start, self.end - start)
        return ring.path(blocks)[recent].max() < RULE.threshold

    def find_title_week(self, name):
        """Weeks until a version of `name` held the title; infinite if never."""
        hours = [hour for (holder, _), hour, _ in self.reigns if holder == name]
        return hours[0] / WEEK - self.start if hours else np.inf

    def loss(self):
        edges = [hour for _, hour, _ in self.reigns] + [self.end * WEEK]
        parts = [
            self.ring.version(*version)[1][edges[n] : edges[n + 1]]
            for n, (version, _, _) in enumerate(self.reigns)
        ]
        return np.concatenate(parts)


def print_power(ring):
    """How long a recipe takes to the title, over start dates; all recipes are in the ring."""
    starts = range(9, ring.weeks - 104, 8)
    real = list(ring.found)
    for model in [name for name in MODELS if name in ring.found]:
        shuffled = [*BASELINES, model + SHUFFLED]
        for first in sorted(BASELINES):
            for names, rival in ((real, model), (shuffled, model + SHUFFLED)):
                weeks = [
                    Replay(ring, start, names, first=first, weeks=104)
                    .run(until=rival)
                    .find_title_week(rival)
                    for start in starts
                ]
                median, most = (np.quantile(weeks, q, method="lower") for q in (0.5, 0.8))
                print(
                    f"| h{ring.horizon} {ring.stake} | {first} -> {rival} | {len(weeks)} | held in "
                    f"{np.isfinite(weeks).mean():.2f}; median {median:.1f} weeks "
                    f"(80 %: {most:.1f}) |",
                    flush=True,
                )
        lost = []
        for start in starts:
            replay = Replay(ring, start, real, first=model, weeks=104).run()
            lost.append(any(holder[0] in BASELINES for holder, _, _ in replay.reigns))
        print(
            f"| h{ring.horizon} {ring.stake} | {model} -> a baseline | {len(lost)} | fell back in "
            f"{np.mean(lost):.2f} |",
            flush=True,
        )


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
    return np.concatenate(parts), len(holders) - 1, sum(a != b for a, b in pairwise(holders))


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
    for record, tag in ((RECORD_WEEKS, "the gate"), (0, "the gate without a replayed record")):
        replay = Replay(ring, start, names, record=record).run()
        told = ", ".join(
            f"{version[0]} in week {hour / WEEK - start:.1f} ({why})"
            for version, hour, why in replay.reigns[1:4]
        )
        show(tag, replay.loss(), len(replay.reigns) - 1, told)


def main(symbol="BTC/USDT", horizon="1", stake="band", *parts):
    """Print the parts named: null, replay, power; all by default."""
    ring = Ring(symbol, int(horizon), stake)
    for name in MODELS:
        if name in ring.found and (not parts or "null" in parts):
            print_null(ring, name)
    if not parts or "replay" in parts:
        print_replay(ring)
    if not parts or "power" in parts:
        print_power(ring)


if __name__ == "__main__":
    main(*sys.argv[1:])
