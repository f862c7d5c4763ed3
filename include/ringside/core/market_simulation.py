"""A seeded hourly market with the measured habits of Bitcoin; nothing in it is a real price.

Volatility is the product of a daily and weekly cycle, of components that fade over hours to months,
and of what each hour brings; jumps stir it further. Prices follow a path of five-minute steps, so
that a candle which is still forming can be shown as far as it has come.
Figures beside the real ones: docs/decisions/0002-a-seeded-market-stands-in-for-bitcoin.md
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Candles, Floats, Times, to_datetime64

FIRST_OPEN = datetime(2023, 1, 1, tzinfo=UTC)
LAST_CLOSE = datetime(2026, 1, 1, tzinfo=UTC)

_HOURS = (LAST_CLOSE - FIRST_OPEN) // timedelta(hours=1)
_STEPS = 12  # per hour
_STEP_S = 3600 // _STEPS

_TYPICAL_SD = 0.0043  # of an hourly log return when every component is at rest
# Components of log volatility: half-life in hours, standard deviation.
_SCALES = ((2.5, 0.34), (20.0, 0.24), (160.0, 0.30), (2000.0, 0.30))
_HOUR_SD = 0.05  # of log volatility from hour to hour, unpredictable
# Daily cycle of log volatility: amplitude and hour (UTC) of the first crest, per harmonic.
_DAILY = ((0.26, 16.8), (0.155, 2.7), (0.075, 7.2), (0.14, 1.5))
_WEEKEND = {5: -0.42, 6: -0.28}  # log volatility on Saturday, Sunday
_WEEKEND_CYCLE = 0.25  # share of the daily cycle that is left at weekends

_JUMP_SHARE = 0.002  # of hours with a jump
_JUMP_SIZE = 3.5  # standard deviation of a jump in units of the hour's volatility
_JUMP_STIR = 0.6  # log volatility added by a jump; fades with the fastest component

_OUTAGES = 4  # about as many as Binance had in three years
_LONGEST_OUTAGE_H = 4
# The end stays whole, so that no gap in its look-back withholds a forecast of a first run.
_WHOLE_AT_END_H = 180 * 24


@dataclass(frozen=True)
class SimulatedMarket:
    """Every hour from `FIRST_OPEN` to `LAST_CLOSE`, n hours of 12 steps.

    `path` holds the price (quote currency) at each step's edge, shape (n, 13); `high` and `low` the
    extremes inside each step, shape (n, 12); `volume` the base currency traded in the whole hour,
    shape (n,). The candles of hours in `is_outage`, shape (n,), were never published.
    """

    symbol: str
    open_time: Times
    path: Floats
    high: Floats
    low: Floats
    volume: Floats
    is_outage: NDArray[np.bool_]

    def show(self, start: datetime, end: datetime, as_of: datetime) -> Candles:
        """Answer as a venue would at `as_of`: open times in [start, end), oldest first.

        The candle forming at `as_of`, if asked for, comes last with the steps that have passed; it
        appears after its first step. Outage hours are missing. Prices have 2 decimals, volume 5.
        """
        first, stop, now = (to_datetime64(moment) for moment in (start, end, as_of))
        shown = (self.open_time >= first) & (self.open_time < stop) & ~self.is_outage
        elapsed_s = (now - self.open_time).astype(np.int64)
        steps = np.clip(elapsed_s // _STEP_S, 0, _STEPS)
        rows = np.flatnonzero(shown & (steps > 0))
        return self._draw(rows, steps[rows])

    def _draw(self, rows: NDArray[np.intp], steps: NDArray[np.int64]) -> Candles:
        """Build the candles of `rows` from their first `steps` steps; both shape (m,)."""
        is_past = np.arange(_STEPS) < steps[:, np.newaxis]
        high = np.where(is_past, self.high[rows], -np.inf).max(axis=1, initial=-np.inf)
        low = np.where(is_past, self.low[rows], np.inf).min(axis=1, initial=np.inf)
        return Candles(
            self.symbol,
            open_time=self.open_time[rows],
            open=np.round(self.path[rows, 0], 2),
            high=np.round(high, 2),
            low=np.round(low, 2),
            close=np.round(self.path[rows, steps], 2),
            volume=np.round(self.volume[rows] * steps / _STEPS, 5),
        )


def simulate_market(seed: int, symbol: str) -> SimulatedMarket:
    """Draw the whole market of one symbol; the same seed and symbol give the same prices.

    Symbols of one seed are independent of each other, unlike real ones.

    Raises:
        ValueError: `seed` is negative.
    """
    entropy = np.random.SeedSequence([seed, *symbol.encode()])
    rng = np.random.Generator(np.random.PCG64(entropy))
    open_time = to_datetime64(FIRST_OPEN) + np.arange(_HOURS) * HOUR
    jumps = rng.standard_normal(_HOURS) * (rng.random(_HOURS) < _JUMP_SHARE)
    log_volatility = _draw_log_volatility(rng, open_time, jumps != 0)
    is_outage, is_halted = _draw_outages(rng)
    hourly_sd = np.where(is_halted, 0.0, _TYPICAL_SD * np.exp(log_volatility))
    path, high, low = _draw_path(rng, hourly_sd, jumps)
    volume = np.where(is_halted, 0.0, _draw_volume(rng, log_volatility))
    return SimulatedMarket(symbol, open_time, path, high, low, volume, is_outage)


def _draw_log_volatility(
    rng: np.random.Generator, open_time: Times, has_jump: NDArray[np.bool_]
) -> Floats:
    """Add up the cycles, the fading components and each hour's own part; shape (n,)."""
    hour = open_time.astype("datetime64[h]").astype(np.int64)
    total = rng.standard_normal(_HOURS) * _HOUR_SD
    weekday = (hour // 24 + 3) % 7  # 1970-01-01 was a Thursday
    strength = np.where(weekday < 5, 1.0, _WEEKEND_CYCLE)
    for harmonic, (amplitude, crest) in enumerate(_DAILY, start=1):
        total += strength * amplitude * np.cos(2 * np.pi * harmonic * (hour % 24 - crest) / 24)
    for day, shift in _WEEKEND.items():
        total += np.where(weekday == day, shift, 0.0)
    for half_life_h, sd in _SCALES:
        total += _fade(rng.standard_normal(_HOURS), half_life_h) * sd
    stirred = np.concatenate(([0.0], has_jump[:-1])) * _JUMP_STIR
    return total + _accumulate(stirred, 0.5 ** (1 / _SCALES[0][0]))


def _fade(shocks: Floats, half_life_h: float) -> Floats:
    """Turn independent shocks of variance 1 into a stationary AR(1) of variance 1; shape (n,)."""
    kept = 0.5 ** (1 / half_life_h)
    scaled = shocks * math.sqrt(1 - kept**2)
    scaled[0] = shocks[0]
    return _accumulate(scaled, kept)


def _accumulate(shocks: Floats, kept: float) -> Floats:
    """Carry the share `kept` of each hour's total into the next hour; shape (n,)."""
    totals = accumulate(shocks.tolist(), lambda total, shock: kept * total + shock)
    return np.fromiter(totals, dtype=np.float64, count=len(shocks))


def _draw_outages(rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Place one outage in each equal part of the span; trade stands still before every second."""
    is_outage = np.zeros(_HOURS, dtype=np.bool_)
    is_halted = np.zeros(_HOURS, dtype=np.bool_)
    part = (_HOURS - _WHOLE_AT_END_H) // _OUTAGES
    for number in range(_OUTAGES):
        length = int(rng.integers(1, _LONGEST_OUTAGE_H + 1))
        first = number * part + int(rng.integers(24, part - _LONGEST_OUTAGE_H))
        is_outage[first : first + length] = True
        is_halted[first - 1] = number % 2 == 1
    return is_outage, is_halted


def _draw_path(
    rng: np.random.Generator, hourly_sd: Floats, jumps: Floats
) -> tuple[Floats, Floats, Floats]:
    """Draw prices at the steps' edges (n, 13) and the extremes inside each step (n, 12)."""
    sd = np.broadcast_to((hourly_sd / math.sqrt(_STEPS))[:, np.newaxis], (_HOURS, _STEPS))
    moves = rng.standard_normal((_HOURS, _STEPS)) * sd
    jump_step = rng.integers(_STEPS, size=_HOURS)
    moves[np.arange(_HOURS), jump_step] += jumps * _JUMP_SIZE * hourly_sd
    log_start = math.log(rng.uniform(20_000, 60_000))
    edges = log_start + np.concatenate(([0.0], np.cumsum(moves)))
    before = edges[:-1].reshape(_HOURS, _STEPS)
    path = np.exp(np.column_stack([before, edges[_STEPS::_STEPS]]))
    # Extremes of a Brownian bridge between the edges, so that ranges do not depend on the step.
    up, down = (
        (sign * moves + np.sqrt(moves**2 + 2 * sd**2 * rng.standard_exponential(sd.shape))) / 2
        for sign in (1, -1)
    )
    return path, np.exp(before + up), np.exp(before - down)


def _draw_volume(rng: np.random.Generator, log_volatility: Floats) -> Floats:
    """Draw the base currency traded per hour: more when prices move; shape (n,)."""
    mood = _fade(rng.standard_normal(_HOURS), 700.0) * 0.5
    noise = rng.standard_normal(_HOURS) * 0.3
    volume: Floats = 1_200 * np.exp(1.1 * log_volatility + mood + noise)
    return volume
