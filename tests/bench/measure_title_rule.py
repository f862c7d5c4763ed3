"""How often the rule of the title errs, and how fast it finds a better rival, on made-up losses.

Run: python tests/bench/measure_title_rule.py [histories], with `include` on PYTHONPATH. The
spread of the weekly loss difference is that of an XGBoost quantile model against the EWMA band on
hourly Bitcoin; the differences are fat-tailed and overlap over the horizon. Looks are daily, from
8 weeks of record on, for 26 weeks; two rivals, one of them a bystander that is never better.
"""

import sys
from datetime import UTC, datetime

import numpy as np

from ringside.core.candles import HOUR
from ringside.core.verdicts import Evidence, Rule, ScoredHours, decide_title

WEEK = 168
RECORD, HOURS = 8 * WEEK, 34 * WEEK
MEAN_LOSS = 0.24
WEEKLY_SPREAD = {1: 0.0133, 6: 0.031, 24: 0.05}  # standard deviation, as a share of the loss
RULE = Rule(min_gain_frac=0.01, max_p_value=0.01, ask_p_value=0.05, min_shared_hours=500)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_saved(rng, horizon, gain_frac):
    """Loss saved by the rival in each hour: a gain, and noise that overlaps over the horizon."""
    shocks = rng.standard_t(5, HOURS + horizon - 1)
    noise = np.convolve(shocks, np.ones(horizon), "valid")
    scale = WEEKLY_SPREAD[horizon] * np.sqrt(WEEK) / np.sqrt(horizon * horizon * 5 / 3)
    return MEAN_LOSS * (gain_frac + scale * noise)


def find_outcomes(rng, horizon, gain_frac):
    """The outcome of every daily look, or of none after a change of title."""
    hours = np.datetime64("2025-01-01", "s") + np.arange(HOURS) * HOUR
    champion, saved = np.full(HOURS, MEAN_LOSS), make_saved(rng, horizon, gain_frac)
    outcomes = []
    for end in range(RECORD, HOURS + 1, 24):
        scored = {
            name: ScoredHours(hours[:end], loss[:end], np.ones(end, bool))
            for name, loss in (("a", champion), ("b", champion - saved), ("c", champion * 1.5))
        }
        evidence = Evidence("X/Y", horizon, NOW, "a", scored, frozenset({"a"}))
        outcomes.append(decide_title(evidence, RULE).outcome)
        if outcomes[-1] == "promote_challenger":
            break
    return outcomes


def main(histories):
    write = sys.stdout.write
    write("horizon  gain  first look  within 26 weeks  median day  asked (looks)\n")
    for horizon in WEEKLY_SPREAD:
        for gain_frac in (0.0, 0.02, 0.05):
            rng = np.random.default_rng(horizon)
            runs = [find_outcomes(rng, horizon, gain_frac) for _ in range(histories)]
            won = [len(run) - 1 for run in runs if run[-1] == "promote_challenger"]
            asked = np.mean([outcome == "ask_human" for run in runs for outcome in run])
            day = f"{np.median(won):.0f}" if won else "-"
            write(
                f"{horizon:7d}  {gain_frac:4.0%}  {won.count(0) / histories:10.3f}  "
                f"{len(won) / histories:15.3f}  {day:>10}  {asked:13.3f}\n"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
