"""Measure the gate on a real walk-forward: nulls, power over start dates, and a replay.

    python tests/bench/gate/real.py [SYMBOL] [HORIZON] [band|point] [null|replay|power ...]

Reads what tests/bench/gate/real_forecasts.py has kept. All histories share one price series, so
the shares are good to a few points only.
"""

import sys
from itertools import pairwise, takewhile
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
TERM_WEEKS = 104
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

    def path(self, blocks, shift=0.0, *, given_up_before=0):
        places = [round(28 * n / self.days) for n in range(1, 27)]
        places = [place for place in places if place < len(blocks.saved)]
        saved = blocks.saved - shift * blocks.cost
        return compute_path(
            saved, blocks.scale, places, stake=self.stake, given_up_before=given_up_before
        )


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


def find_mover(ring, champion, name, now, days, start):
    """Guard G1: the oldest of the last four versions with its own record and no loss."""
    newest = min(now // WEEK, ring.weeks - 1)
    for number in range(max(newest - 3, start), newest + 1):
        if now - number * WEEK < days * 24 * RULE.min_scored_frac:
            return None
        span = slice(number * WEEK, now)
        if np.nansum(champion[1][span] - ring.version(name, number)[1][span]) >= 0:
            return (name, number)
    return None


class Book:
    """The evidence of one reign, worked out once for all of its days.

    Other recipes meet the title as its recipe has served it, versions of its own the last one.
    """

    def __init__(self, replay, now):
        self.replay, ring = replay, replay.ring
        (self.name, number), hour, _ = replay.reigns[-1]
        names = replay.names
        self.order = sorted(names, key=lambda one: (one in BASELINES, names.index(one)))
        self.limits = RULE.find_thresholds(self.order, self.name, BASELINES)
        served = list(takewhile(lambda one: one[0][0] == self.name, reversed(replay.reigns)))[::-1]
        self.own = ring.version(self.name, number), replay.find_start(hour)
        title = [ring.version(*version) for version, _, _ in served]
        edges = [0, *(hour for _, hour, _ in served[1:]), ring.hours]
        spans = [slice(*pair) for pair in pairwise(edges)]
        self.title = (
            tuple(
                np.concatenate([one[n][span] for one, span in zip(title, spans, strict=True)])
                for n in (0, 1)
            ),
            replay.find_start(served[0][1], now=now),
        )
        self.own, self.title = self.lend(self.own), self.lend(self.title)
        self.paths = {}

    def lend(self, side):
        """Put the fresh stream in for the weeks that were replayed before the first hour."""
        served, start = side
        edge = self.replay.start * WEEK
        if start >= self.replay.start:
            return side
        fresh = self.replay.ring.stream(self.name)
        return tuple(np.concatenate([fresh[n][:edge], served[n][edge:]]) for n in (0, 1)), start

    def side(self, rival):
        """What a rival is compared on: the champion's stream, and the first week."""
        return self.own if rival == self.name else self.title

    def path(self, champion, rival, start, shift=0.0):
        """Evidence by block; gains on replayed weeks are given up after enough live hours."""
        ring, replay = self.replay.ring, self.replay
        blocks = ring.blocks(champion, rival, start, replay.end - start)
        lent = ring.path(blocks, shift)
        replayed = round((replay.start - start) * 7 / ring.days)
        if replayed <= 0:
            return lent
        kept = ring.path(blocks, shift, given_up_before=replayed)
        enough = replayed + round(RULE.live_hours_enough / 24 / ring.days)
        return np.where(np.arange(len(lent)) < enough, lent, kept)

    def find_best(self, rival, now, of=None, shift=0.0):
        """Find the best recent evidence for a recipe against the champion, or `of` another."""
        champion, start = self.side(rival)
        key, ring = (of, rival, shift), self.replay.ring
        if key not in self.paths:
            other = ring.stream(of) if of else champion
            self.paths[key] = self.path(other, ring.stream(rival), start, shift)
        last = max(int((now - start * WEEK) / 24 / ring.days), 0)
        recent = self.paths[key][max(last - round(LATEST_DAYS / ring.days), 0) : last]
        return recent.max(initial=1.0)


class Replay:
    """The full gate over `weeks` weeks from `start` on, guards G1, G2, G3 and G6 included.

    The first champion is the version of `first` of that week. With `record` the weeks before count
    as evidence in every reign that begins while the live record is young: they are forecast by the
    fresh streams, and the newest version may move in.
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

    def is_young(self, hour):
        return self.record and hour - self.start * WEEK < RULE.live_hours_enough

    def find_start(self, hour, now=0):
        """Find the week from which on hours are evidence, if all began at `hour`."""
        terms = max(now - hour, 0) // (TERM_WEEKS * WEEK)
        if terms == 0 and self.is_young(hour):
            return self.start - self.record
        return -(-hour // WEEK) + terms * TERM_WEEKS

    def find_swap(self):
        """Find who follows the last champion: version, hour and why; None if nobody does."""
        (name, _), hour, _ = self.reigns[-1]
        served = list(takewhile(lambda one: one[0][0] == name, reversed(self.reigns)))
        step, book, term = round(24 * self.ring.days), None, None
        first = hour + (step if hour > self.start * WEEK else 0)
        for now in range(first, (self.end - 1) * WEEK, step):
            if term != (now - served[-1][1]) // (TERM_WEEKS * WEEK):
                term, book = (now - served[-1][1]) // (TERM_WEEKS * WEEK), Book(self, now)
            found = self.look(book, now)
            if found:
                return found
        return None

    def look(self, book, now):
        """Look whether somebody moves in."""
        hour = self.reigns[-1][1]
        won = [one for one in book.order if book.find_best(one, now) >= book.limits[one]]
        is_old = now - hour >= RULE.refresh_days * 24
        calm = -RULE.margin_frac * MARGIN_SHARE
        own = book.find_best(book.name, now, shift=calm) if is_old else 0
        if own >= RULE.threshold and book.name not in won:
            won.append(book.name)
        for rival in won:
            is_claim = book.find_best(rival, now) >= book.limits[rival]
            if not self.passes(book, rival, now, is_claim):
                continue
            days = RULE.record_days if is_claim else RULE.refresh_record_days
            found = find_mover(self.ring, book.side(rival)[0], rival, now, days, self.start)
            if found is None and self.is_young(now):
                found = (rival, now // WEEK)
            if found:
                return found, now, "claim" if is_claim else "refresh"
        return None

    def passes(self, book, rival, now, is_claim):
        """Guards G2, G3 and G6."""
        ring = self.ring
        champion, start = book.side(rival)
        span = slice(start * WEEK, now - ring.horizon)
        fresh = ring.stream(rival)
        power = 1 if ring.stake == "band" else 2
        limit = 1 if is_claim else 1 + RULE.margin_frac
        ours, theirs = (one[1][span] * ring.sigma[span] ** power for one in (fresh, champion))
        shared = np.isfinite(ours) & np.isfinite(theirs)
        if ours[shared].sum() > limit * theirs[shared].sum():
            return False
        if rival in BASELINES:
            against = "persistence"
            return rival == against or book.find_best(against, now, of=rival) < RULE.threshold
        losses = {one: np.nansum(ring.stream(one)[1][span]) for one in (rival, *BASELINES)}
        if losses[rival] > limit * min(losses[one] for one in BASELINES):
            return False
        proofs = [book.find_best(rival, now, of=one) for one in BASELINES]
        return not is_claim or min(proofs) >= RULE.threshold

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
