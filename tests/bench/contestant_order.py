"""Print how the contestants do on the simulated market, and on a file of real candles beside it.

    python tests/bench/contestant_order.py [FOLDER]

Each fourth week of the last two years is forecast by contestants fitted on the year before it.
Numbers are the mean scaled pinball loss saved against `persistence_ewma`, in percent.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "include"))

from ringside.adapters.candle_files import CandleFileSource
from ringside.adapters.simulated_source import SimulatedSource
from ringside.core.candles import Candles, to_datetime64
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import compute_features
from ringside.core.market_simulation import FIRST_OPEN, LAST_CLOSE
from ringside.core.metrics import compute_pinball_loss
from ringside.core.splits import find_weeks, make_sample, select_rows
from ringside.core.targets import forward_log_return

SYMBOL = "BTC/USDT"
SEEDS = (7, 1, 2)
HORIZONS = (1, 6, 24)
WEEKS, EACH = 96, 4


def measure_saved(candles: Candles, horizon: int) -> dict[str, tuple[float, int, int]]:
    """Compute, per contestant, percent of loss saved, weeks won, and weeks."""
    table = compute_features(candles)
    target = forward_log_return(table.close, horizon)
    losses: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for week in list(find_weeks(candles.close_time[-1], WEEKS))[::EACH]:
        sample = make_sample(table, horizon=horizon, as_of=week.start, train_days=365)
        rows = select_rows(table, week.start, week.end)
        rows = rows[np.isfinite(target[rows])]
        for name, contestant_type in CONTESTANTS.items():
            contestant = contestant_type()
            contestant.fit(sample, seed=1)
            quantiles = contestant.forecast(table.values[rows], table.sigma[rows])
            loss = compute_pinball_loss(target[rows], quantiles) / table.sigma[rows]
            losses[name].append(float(loss.mean()))
    rival = np.array(losses["persistence_ewma"])
    return {
        name: (100 * (1 - np.mean(loss) / rival.mean()), int(np.sum(loss < rival)), len(rival))
        for name, loss in losses.items()
        if name != "persistence_ewma"
    }


def main(folder: str | None = None) -> None:
    """Measure the markets and print the table."""
    markets: dict[str, Candles] = {}
    if folder is not None:
        source = CandleFileSource(Path(folder))
        end = source.last_known(SYMBOL)
        markets["real"] = source.fetch(SYMBOL, end - (LAST_CLOSE - FIRST_OPEN), end, end)
    for seed in SEEDS:
        simulated = SimulatedSource(seed)
        markets[f"seed {seed}"] = simulated.fetch(SYMBOL, FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
        assert markets[f"seed {seed}"].close_time[-1] == to_datetime64(LAST_CLOSE)
    sys.stdout.write("| market | horizon | contestant | saved, % | weeks won |\n")
    sys.stdout.write("|---|---:|---|---:|---:|\n")
    for market, candles in markets.items():
        for horizon in HORIZONS:
            for name, (saved, won, weeks) in measure_saved(candles, horizon).items():
                sys.stdout.write(
                    f"| {market} | {horizon} | {name} | {saved:+.1f} | {won} of {weeks} |\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:2])
