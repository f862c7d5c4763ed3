"""Print how the contestants do, week after week, on a folder of candles.

    python tests/bench/walk_forward.py FOLDER [SYMBOL] [EACH] [START]

Each EACH-th week from START on (default: every 12th from 2021-01-01) is forecast by contestants
fitted on the year before it. Numbers: mean pinball loss over the five quantiles divided by sigma,
share of outcomes inside the 50 % and 90 % bands, and the slowest fit.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "include"))

from ringside.adapters.candle_files import CandleFileSource
from ringside.core.candles import to_datetime64
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import FeatureTable, compute_features
from ringside.core.metrics import compute_pinball_loss, compute_skill, is_inside
from ringside.core.quantiles import INSIDE_50, INSIDE_90
from ringside.core.splits import find_weeks, make_sample, select_rows
from ringside.core.targets import forward_log_return

TRAIN_DAYS = 365


def measure(
    table: FeatureTable, horizon: int, *, start: np.datetime64, each: int
) -> dict[str, dict[str, np.ndarray]]:
    """Collect, per contestant, the rows' scaled losses, both coverages, and seconds per fit."""
    target = forward_log_return(table.close, horizon)
    end = table.open_time[-1]
    weeks = list(find_weeks(end, int((end - start) / np.timedelta64(7, "D"))))[::each]
    found = {name: {"loss": [], "in_50": [], "in_90": [], "fit_s": []} for name in CONTESTANTS}
    for week in weeks:
        sample = make_sample(table, horizon=horizon, as_of=week.start, train_days=TRAIN_DAYS)
        rows = select_rows(table, week.start, week.end)
        rows = rows[np.isfinite(target[rows])]
        for name, kind in CONTESTANTS.items():
            contestant = kind()
            started = time.perf_counter()
            contestant.fit(sample, seed=1)
            found[name]["fit_s"].append([time.perf_counter() - started])
            quantiles = contestant.forecast(table.values[rows], table.sigma[rows])
            loss = compute_pinball_loss(target[rows], quantiles) / table.sigma[rows]
            found[name]["loss"].append(loss)
            found[name]["in_50"].append(is_inside(target[rows], *quantiles[:, INSIDE_50].T))
            found[name]["in_90"].append(is_inside(target[rows], *quantiles[:, INSIDE_90].T))
    return {
        name: {what: np.concatenate(values) for what, values in columns.items()}
        for name, columns in found.items()
    }


def main(
    folder: str, symbol: str = "BTC/USDT", each: str = "12", start: str = "2021-01-01"
) -> None:
    """Read the candles, walk forward at horizons 1, 6 and 24, and print the table."""
    source = CandleFileSource(Path(folder))
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    end = source.last_known(symbol)
    history = first.replace(year=first.year - 1, month=1, day=1)
    table = compute_features(source.fetch(symbol, history, end, as_of=end))
    print(f"{symbol}, every {each}th week from {start} to {end:%Y-%m-%d}")
    for horizon in (1, 6, 24):
        found = measure(table, horizon, start=to_datetime64(first), each=int(each))
        rival = found["persistence_ewma"]["loss"]
        for name, columns in found.items():
            print(
                f"h{horizon:<3} {name:<17} loss {columns['loss'].mean():.4f}"
                f"  saved {100 * compute_skill(columns['loss'], rival):+6.2f} %"
                f"  inside {columns['in_50'].mean():.3f} / {columns['in_90'].mean():.3f}"
                f"  slowest fit {columns['fit_s'].max():.2f} s  rows {len(columns['loss'])}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
