"""Print the habits of the simulated market, and of a file of real candles beside it.

    python tests/bench/market_figures.py [FOLDER]

FOLDER holds `btcusdt_1h.parquet` or `.csv`; its candles from 2021 on are measured.
"""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "include"))

from ringside.adapters.candle_files import CandleFileSource
from ringside.adapters.simulated_source import SimulatedSource
from ringside.core.candles import HOUR, Candles, to_datetime64
from ringside.core.market_simulation import FIRST_OPEN, LAST_CLOSE

SYMBOL = "BTC/USDT"
SEEDS = (7, 1, 2, 3, 4)
MEASURED_FROM = datetime(2021, 1, 1, tzinfo=UTC)
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
YEAR_H, STEP_H, WARM_UP_H = 8_760, 168, 720


@dataclass(frozen=True)
class Hours:
    """Candles laid on a gap-free grid, NaN where an hour is missing; shape (n,)."""

    open_time: np.ndarray
    log_close: np.ndarray
    log_return: np.ndarray
    log_range: np.ndarray
    is_flat: np.ndarray


def lay_on_grid(candles: Candles) -> Hours:
    """Put each candle at its hour."""
    place = ((candles.open_time - candles.open_time[0]) // HOUR).astype(int)
    columns = np.full((3, place[-1] + 1), np.nan)
    columns[:, place] = np.log(candles.close), np.log(candles.high / candles.low), candles.volume
    return Hours(
        open_time=candles.open_time[0] + np.arange(columns.shape[1]) * HOUR,
        log_close=columns[0],
        log_return=np.diff(columns[0], prepend=np.nan),
        log_range=columns[1],
        is_flat=(columns[1] == 0) & (columns[2] == 0),
    )


def measure_habits(hours: Hours) -> dict[str, float]:
    """Compute every figure of the table."""
    returns = hours.log_return[np.isfinite(hours.log_return)]
    hour_of_day = hours.open_time.astype("datetime64[h]").astype(int) % 24
    weekday = (hours.open_time.astype("datetime64[D]").astype(int) + 3) % 7
    size = np.abs(hours.log_return)
    by_hour = [np.nanmean(size[hour_of_day == hour]) for hour in range(24)]
    is_missing = np.isnan(hours.log_close)
    habits = {
        "candles": float((~is_missing).sum()),
        "hourly sd, %": 100 * returns.std(),
        "kurtosis": np.mean((returns - returns.mean()) ** 4) / returns.var() ** 2,
        "autocorrelation of r at 1 h": correlate(hours.log_return, 1),
    }
    for lag in (1, 24, 168, 720):
        habits[f"autocorrelation of abs r at {lag} h"] = correlate(size, lag)
    return habits | {
        "busiest / quietest hour of day, mean abs r": max(by_hour) / min(by_hour),
        "weekend / weekday, mean abs r": np.nanmean(size[weekday > 4])
        / np.nanmean(size[weekday < 5]),
        "mean range / mean abs r": np.nanmean(hours.log_range) / np.nanmean(size),
        "flat hours without volume, per 100 000": 1e5 * hours.is_flat.mean(),
        "missing hours, per 100 000": 1e5 * is_missing.mean(),
        "loss of constant band over EWMA band, %": 100 * compare_bands(hours),
    }


def correlate(series: np.ndarray, lag: int) -> float:
    """Correlate a series with itself `lag` hours before, over the hours that have both."""
    both = np.isfinite(series[lag:]) & np.isfinite(series[:-lag])
    return float(np.corrcoef(series[lag:][both], series[:-lag][both])[0, 1])


def compare_bands(hours: Hours) -> float:
    """Compute how much more the constant band loses than the EWMA band, 1 hour ahead, as a share.

    Both are refitted weekly on a year; losses are divided by the EWMA volatility.
    """
    squares = np.nan_to_num(hours.log_return, nan=0.0) ** 2
    mix = 0.5 * smooth(squares, 8) + 0.3 * smooth(squares, 48) + 0.2 * smooth(squares, 720)
    sigma = np.sqrt(mix)[:-1]
    target = hours.log_return[1:]
    losses = []
    for first in range(YEAR_H + WARM_UP_H, len(target) - STEP_H, STEP_H):
        past, week = slice(first - YEAR_H, first - 1), slice(first, first + STEP_H)
        flat = np.nanquantile(target[past], LEVELS) * (LEVELS != 0.5)
        scaled = np.nanquantile(target[past] / sigma[past], LEVELS) * (LEVELS != 0.5)
        actual = (target[week] / sigma[week])[:, np.newaxis]
        losses.append(
            (compute_loss(flat / sigma[week][:, np.newaxis], actual), compute_loss(scaled, actual))
        )
    constant, ewma = np.mean(losses, axis=0)
    return float(constant / ewma - 1)


def smooth(series: np.ndarray, half_life: int) -> np.ndarray:
    """Average exponentially, started from the mean of the first month."""
    share = 1 - 0.5 ** (1 / half_life)
    level, levels = series[:WARM_UP_H].mean(), []
    for value in series:
        level += share * (value - level)
        levels.append(level)
    return np.array(levels)


def compute_loss(quantiles: np.ndarray, actual: np.ndarray) -> float:
    """Average the pinball loss over quantiles and hours; hours without an outcome are left out."""
    gap = actual - quantiles
    return float(np.nanmean(np.maximum(LEVELS * gap, (LEVELS - 1) * gap)))


def main(folder: str | None = None) -> None:
    """Measure the markets and print the table."""
    columns: dict[str, dict[str, float]] = {}
    if folder is not None:
        source = CandleFileSource(Path(folder))
        end = source.last_known(SYMBOL)
        columns["real"] = measure_habits(lay_on_grid(source.fetch(SYMBOL, MEASURED_FROM, end, end)))
    for seed in SEEDS:
        candles = SimulatedSource(seed).fetch(SYMBOL, FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
        assert candles.close_time[-1] == to_datetime64(LAST_CLOSE)
        columns[f"seed {seed}"] = measure_habits(lay_on_grid(candles))
    lines = [" | ".join(["", "habit", *columns, ""]).strip()]
    lines.append("|---|" + "---:|" * len(columns))
    for name in next(iter(columns.values())):
        cells = [f"{column[name]:,.3g}" if column[name] < 1e4 else f"{column[name]:,.0f}"
                 for column in columns.values()]  # fmt: skip
        lines.append(" | ".join(["", name, *cells, ""]).strip())
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
