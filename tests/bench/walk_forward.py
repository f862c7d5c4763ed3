"""Walks every contestant forward over a market and prints how it did, and how it stands calibrated.

    python tests/bench/walk_forward.py [FOLDER | SEED] [--each 1] [--horizons 1 6 24]
        [--start 2021-01-01] [--symbol BTC/USDT] [--train-days 365]

FOLDER holds files of candles as the source `file` reads them; SEED is a simulated market (7 by
default). Each EACH-th week from START on is forecast by contestants fitted on the days before it;
their hyper-parameters are chosen anew every 13th week, inside the window. Loss is the mean pinball
loss over the five quantiles divided by a volatility: by sigma, and by the EWMA volatility of
half-life 118 h, on which a band of constant width scores 0.2325 on BTC/USDT 2021 to 2026, one hour
ahead. Progress goes to stderr. It judges nothing.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "include"))

from ringside.adapters.candle_files import CandleFileSource
from ringside.adapters.simulated_source import SimulatedSource
from ringside.core.calibration import replay
from ringside.core.candles import HOUR, Candles, to_datetime64
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import FeatureTable, compute_features
from ringside.core.market_simulation import FIRST_OPEN, LAST_CLOSE
from ringside.core.metrics import compute_pinball_loss, is_inside
from ringside.core.quantiles import INSIDE_50, INSIDE_90, are_sound
from ringside.core.splits import WEEK, Week, make_sample, select_rows
from ringside.core.targets import forward_log_return
from ringside.core.tuning import choose_params

RIVAL = "persistence_ewma"
TUNE_EACH = 13
REFERENCE_HALF_LIFE = 118
TWO_YEARS = np.timedelta64(730, "D")


@dataclass
class Record:
    """What a contestant forecast, row by row in as-of order, and the seconds of its fits."""

    quantiles: list[np.ndarray]
    fit_s: list[float]


@dataclass(frozen=True)
class Walk:
    """Rows of a table that were forecast, the week of each, and the record of each contestant."""

    rows: np.ndarray
    week: np.ndarray
    records: dict[str, Record]


def find_weeks(table: FeatureTable, start: np.datetime64, each: int) -> list[Week]:
    """Cut the weeks from `start` to the end of the table, and keep each `each`-th."""
    count = int((table.open_time[-1] + HOUR - start) / WEEK)
    return [Week(start + k * WEEK, start + (k + 1) * WEEK) for k in range(0, count, each)]


def walk(table: FeatureTable, weeks: list[Week], *, horizon: int, train_days: int) -> Walk:
    """Fit and forecast week after week."""
    target = forward_log_return(table.close, horizon)
    records = {name: Record([], []) for name in CONTESTANTS}
    params, rows, week_of = {}, [], []
    for number, week in enumerate(weeks):
        window = {"horizon": horizon, "as_of": week.start, "train_days": train_days}
        sample = make_sample(table, **window)
        here = select_rows(table, week.start, week.end)
        here = here[np.isfinite(target[here])]
        rows.append(here)
        week_of.append(np.full(len(here), number))
        for name, kind in CONTESTANTS.items():
            if number % TUNE_EACH == 0:
                params[name] = choose_params(kind, table, seed=1, **window).params
            contestant = kind(params[name])
            started = time.perf_counter()
            contestant.fit(sample, seed=1)
            records[name].fit_s.append(time.perf_counter() - started)
            records[name].quantiles.append(
                contestant.forecast(table.values[here], table.sigma[here])
            )
        if number % TUNE_EACH == 0:
            print(
                f"h{horizon} week {number} of {len(weeks)}: {params}", file=sys.stderr, flush=True
            )
    return Walk(np.concatenate(rows), np.concatenate(week_of), records)


def find_reference(close: np.ndarray) -> np.ndarray:
    """Average squared returns exponentially with the half-life of the reference scale, shape (n,).

    Hours without a return leave the average as it is.
    """
    squares = np.diff(np.log(close), prepend=np.nan) ** 2
    kept = 0.5 ** (1 / REFERENCE_HALF_LIFE)
    level = weight = 0.0
    average = np.full(len(squares), np.nan)
    for i, square in enumerate(squares):
        if np.isfinite(square):
            level, weight = kept * level + square, kept * weight + 1
        average[i] = level / weight if weight else np.nan
    return np.sqrt(average)


def summarise(table: FeatureTable, walked: Walk, *, horizon: int) -> Iterator[list[str]]:
    """Give the cells of one line per contestant."""
    rows = walked.rows
    realised, sigma = forward_log_return(table.close, horizon)[rows], table.sigma[rows]
    closed, reference = table.open_time[rows] + HOUR, find_reference(table.close)[rows]
    is_late = closed > closed[-1] - TWO_YEARS
    weekly, rival = np.unique(walked.week, return_index=True)[1], None
    raw = {name: np.concatenate(one.quantiles) for name, one in walked.records.items()}
    losses = {name: compute_pinball_loss(realised, raw[name]) / reference for name in raw}
    rival = losses[RIVAL]
    for name, quantiles in raw.items():
        issued, _ = replay(
            quantiles, sigma=sigma, realised=realised, closed=closed, horizon=horizon
        )
        loss = losses[name]
        calibrated = compute_pinball_loss(realised, issued)
        won = np.add.reduceat(loss, weekly) < np.add.reduceat(rival, weekly)
        inside = [
            is_inside(realised, *q[:, edges].T)[part].mean()
            for q, edges, part in (
                (quantiles, INSIDE_90, slice(None)),
                (quantiles, INSIDE_90, is_late),
                (issued, INSIDE_90, slice(None)),
                (issued, INSIDE_90, is_late),
                (issued, INSIDE_50, is_late),
            )
        ]
        yield [
            str(horizon),
            name,
            f"{(loss * reference / sigma).mean():.4f}",
            f"{loss.mean():.4f}",
            f"{100 * (1 - loss.mean() / rival.mean()):+.2f}",
            f"{won.sum()} of {len(won)}",
            f"{(calibrated / reference).mean():.4f}",
            *(f"{100 * share:.1f}" for share in inside),
            str(sum(not are_sound(one[None]) for one in (*quantiles, *issued))),
            f"{np.mean(walked.records[name].fit_s):.2f}",
        ]


HEADER = (
    "h", "contestant", "loss / sigma", "loss / reference", "saved, %", "weeks won",
    "calibrated loss", "in 90, raw", "2 y", "in 90, calibrated", "2 y", "in 50, calibrated, 2 y",
    "rows crossing", "s per fit",
)  # fmt: skip


def read_market(market: str, symbol: str) -> Candles:
    """Read every candle of the market."""
    if market.isdigit():
        return SimulatedSource(int(market)).fetch(symbol, FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
    source = CandleFileSource(Path(market))
    end = source.last_known(symbol)
    return source.fetch(symbol, datetime(2018, 1, 1, tzinfo=UTC), end, end)


def main() -> None:
    """Walk forward at each horizon and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("market", nargs="?", default="7")
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--horizons", type=int, nargs="+", default=[1, 6, 24])
    parser.add_argument("--start", type=datetime.fromisoformat)
    parser.add_argument("--symbol", default="BTC/USDT")
    parser.add_argument("--train-days", type=int, default=365)
    asked = parser.parse_args()
    candles = read_market(asked.market, asked.symbol)
    table = compute_features(candles)
    default = max(
        np.datetime64("2021-01-01T00", "s"),
        candles.open_time[0] + np.timedelta64(asked.train_days + 31, "D"),
    )
    start = to_datetime64(asked.start.replace(tzinfo=UTC)) if asked.start else default
    weeks = find_weeks(table, start, asked.each)
    print(f"{asked.symbol}, {len(weeks)} weeks, {weeks[0].start} to {weeks[-1].end}\n")
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|")
    for horizon in asked.horizons:
        walked = walk(table, weeks, horizon=horizon, train_days=asked.train_days)
        for cells in summarise(table, walked, horizon=horizon):
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
