"""Makes and reads the forecasts of a weekly walk-forward on a folder of candles, kept as .npz.

    python tests/bench/gate/real_forecasts.py FOLDER [SYMBOL] [HORIZON ...]

Every week from a year after the first candle on, each contestant is fitted on the year before it
(two seeds, and once on shuffled labels, unless it is a baseline). Kept under `.ringside/bench`,
one file per recipe and horizon; what is there is not made again, so delete the folder after a
change of the contestants. All quantiles are in units of sigma.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "include"))

from ringside.adapters.candle_files import CandleFileSource
from ringside.core.candles import HOUR
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import FeatureTable, compute_features
from ringside.core.splits import WEEK, find_weeks, make_sample
from ringside.core.targets import forward_log_return

CACHE = Path(__file__).parents[3] / ".ringside" / "bench"
TRAIN_DAYS = 365
FIRST = datetime(2018, 1, 1, tzinfo=UTC)
KINDS = ("seed1", "seed2", "shuffled")


def read_table(folder: str, symbol: str) -> FeatureTable:
    source = CandleFileSource(Path(folder))
    end = source.last_known(symbol)
    return compute_features(source.fetch(symbol, FIRST, end, as_of=end))


def cache_path(symbol, horizon, name, kind):
    return CACHE / f"{symbol.replace('/', '')}-h{horizon}-{name}-{kind}.npz"


def find_plan(table):
    """Weekly starts and, per week, the usable rows from it to the end of the table."""
    end = table.open_time[-1] + HOUR
    start = table.open_time[0] + np.timedelta64(TRAIN_DAYS + 8, "D")
    return list(find_weeks(end, int((end - start) / WEEK)))


def make(table, horizon, name, kind):
    """Fit every week; forecast until the end (seed1) or for the week after (the others)."""
    closed = table.open_time + HOUR
    weeks = find_plan(table)
    rows = np.flatnonzero(table.is_usable & (closed >= weeks[0].start))
    first = np.searchsorted(closed[rows], [week.start for week in weeks])
    last = np.searchsorted(closed[rows], [week.end for week in weeks])
    keep_all = kind == "seed1"
    shape = (len(weeks), len(rows), 5) if keep_all else (len(rows), 5)
    scaled = np.full(shape, np.nan, np.float32)
    for number, week in enumerate(weeks):
        sample = make_sample(table, horizon=horizon, as_of=week.start, train_days=TRAIN_DAYS)
        if kind == "shuffled":
            order = np.random.default_rng(number).permutation(len(sample))
            # returns are shuffled in units of sigma, so that their scale stays known
            object.__setattr__(
                sample, "target", (sample.target / sample.sigma)[order] * sample.sigma
            )
        contestant = CONTESTANTS[name]()
        contestant.fit(sample, seed=2 if kind == "seed2" else 1)
        stop = len(rows) if keep_all else last[number]
        mine = rows[first[number] : stop]
        quantiles = contestant.forecast(table.values[mine], table.sigma[mine])
        place = (number, slice(first[number], stop)) if keep_all else slice(first[number], stop)
        scaled[place] = quantiles / table.sigma[mine, None]
    target = forward_log_return(table.close, horizon)
    return {
        "as_of": closed[rows],
        "sigma": table.sigma[rows],
        "realised": target[rows],
        "first": first,
        "last": last,
        "scaled": scaled,
    }


def load(symbol, horizon, name, kind):
    path = cache_path(symbol, horizon, name, kind)
    if not path.exists():
        raise SystemExit(f"{path.name} is missing: run tests/bench/gate/real_forecasts.py first")
    with np.load(path) as found:
        return {key: found[key] for key in found.files}


def find_newest(found):
    """Quantiles (n, 5) of the newest version at each hour, and its number (n,)."""
    rows = len(found["as_of"])
    version = np.searchsorted(found["first"], np.arange(rows), side="right") - 1
    scaled = found["scaled"]
    return (scaled[version, np.arange(rows)] if scaled.ndim == 3 else scaled), version


def main(folder, symbol="BTC/USDT", *horizons):
    CACHE.mkdir(parents=True, exist_ok=True)
    table = read_table(folder, symbol)
    for horizon in map(int, horizons or ("1", "24")):
        for name, contestant in CONTESTANTS.items():
            for kind in KINDS[:1] if contestant.is_baseline else KINDS:
                path = cache_path(symbol, horizon, name, kind)
                if path.exists():
                    continue
                made = make(table, horizon, name, kind)
                whole = path.with_suffix(".part.npz")
                np.savez(whole, **made)
                whole.rename(path)
                print(f"{datetime.now(UTC):%H:%M:%S} made {path.name}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
