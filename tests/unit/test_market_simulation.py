import hashlib
import os
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ringside.core.candles import HOUR, to_datetime64
from ringside.core.market_simulation import FIRST_OPEN, LAST_CLOSE, simulate_market

INCLUDE = Path(__file__).parents[2] / "include"
COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def market():
    return simulate_market(7, "BTC/USDT")


@pytest.fixture(scope="module")
def candles(market):
    return market.show(FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)


def compute_digest(candles):
    return hashlib.sha256(
        b"".join(getattr(candles, name).tobytes() for name in COLUMNS)
    ).hexdigest()


def compute_digest_elsewhere(hash_seed):
    code = """
import hashlib, sys
from ringside.core.market_simulation import FIRST_OPEN, LAST_CLOSE, simulate_market
shown = simulate_market(7, "BTC/USDT").show(FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
columns = (shown.open_time, shown.open, shown.high, shown.low, shown.close, shown.volume)
sys.stdout.write(hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest())
"""
    environment = {**os.environ, "PYTHONPATH": str(INCLUDE), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_same_seed_gives_the_same_bytes_in_every_process(candles):
    assert compute_digest_elsewhere("11") == compute_digest(candles)


@pytest.mark.parametrize(("seed", "symbol"), [(8, "BTC/USDT"), (7, "ETH/USDT")])
def test_another_seed_or_symbol_is_another_market(candles, seed, symbol):
    other = simulate_market(seed, symbol).show(FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
    size = min(len(candles), len(other))
    returns = [np.diff(np.log(shown.close[:size])) for shown in (candles, other)]
    assert abs(np.corrcoef(returns)[0, 1]) < 0.05


def test_every_candle_is_one_that_a_venue_could_send(candles):
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low > 0).all()
    assert (candles.volume >= 0).all()
    assert (np.diff(candles.open_time) > np.timedelta64(0, "s")).all()
    assert (candles.open_time == candles.open_time.astype("datetime64[h]")).all()
    for name in ("open", "high", "low", "close"):
        prices = getattr(candles, name)
        assert [round(float(price), 2) for price in prices[:500]] == prices[:500].tolist()


def test_each_candle_opens_where_the_one_before_closed(candles):
    is_next = np.diff(candles.open_time) == HOUR
    assert (candles.open[1:][is_next] == candles.close[:-1][is_next]).all()


def test_forming_candle_comes_last_and_holds_only_the_steps_that_have_passed(market):
    as_of = datetime(2025, 3, 4, 15, 23, 59, tzinfo=UTC)
    hour = as_of.replace(minute=0, second=0)
    row = (hour - FIRST_OPEN) // timedelta(hours=1)

    shown = market.show(hour - timedelta(hours=2), hour + timedelta(hours=5), as_of)

    passed = 4  # steps of five minutes
    expected = {
        "open_time": to_datetime64(hour),
        "open": round(market.path[row, 0], 2),
        "high": round(max(market.high[row, step] for step in range(passed)), 2),
        "low": round(min(market.low[row, step] for step in range(passed)), 2),
        "close": round(market.path[row, passed], 2),
        "volume": round(market.volume[row] * passed / 12, 5),
    }
    assert len(shown) == 3
    assert {name: getattr(shown, name)[-1] for name in COLUMNS} == expected


@pytest.mark.parametrize("late_s", [0, 299])
def test_no_candle_forms_before_the_first_step_of_its_hour(market, late_s):
    hour = datetime(2025, 3, 4, 15, tzinfo=UTC)
    shown = market.show(hour - timedelta(hours=2), LAST_CLOSE, hour + timedelta(seconds=late_s))
    assert shown.close_time[-1] == to_datetime64(hour)


def test_what_was_shown_as_closed_never_changes(market, candles):
    as_of = datetime(2024, 7, 1, 9, tzinfo=UTC)
    then = market.show(FIRST_OPEN, LAST_CLOSE, as_of)
    now = candles.take(candles.close_time <= to_datetime64(as_of))
    for field in fields(now):
        np.testing.assert_array_equal(getattr(then, field.name), getattr(now, field.name))


def test_window_holds_its_start_and_not_its_end(market):
    start = datetime(2025, 3, 4, 15, tzinfo=UTC)
    shown = market.show(start, start + timedelta(hours=3), LAST_CLOSE)
    assert shown.open_time.tolist() == [
        (start + timedelta(hours=hour)).replace(tzinfo=None) for hour in range(3)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_outage_hours_are_missing_but_not_in_the_last_half_year(seed):
    market = simulate_market(seed, "BTC/USDT")
    shown = market.show(FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
    jumps_h = np.diff(shown.open_time) // HOUR
    gaps = jumps_h[jumps_h > 1] - 1
    assert len(gaps) == 4
    assert (gaps <= 4).all()
    last_gap = shown.open_time[:-1][jumps_h > 1].max()
    assert to_datetime64(LAST_CLOSE) - last_gap > np.timedelta64(180, "D")


def test_trade_stands_still_in_the_hour_before_every_second_outage(candles):
    jumps_h = np.diff(candles.open_time) // HOUR
    before = np.flatnonzero(jumps_h > 1)
    is_flat = (candles.high == candles.low) & (candles.volume == 0)
    assert np.flatnonzero(is_flat).tolist() == before[1::2].tolist()


def correlate(series, lag):
    return np.corrcoef(series[lag:], series[:-lag])[0, 1]


@pytest.mark.parametrize("seed", [7, 1])
def test_returns_have_the_habits_of_hourly_bitcoin(seed):
    # ranges around the real figures of docs/decisions/0002, wide enough for every seed tried
    candles = simulate_market(seed, "BTC/USDT").show(FIRST_OPEN, LAST_CLOSE, LAST_CLOSE)
    returns = np.diff(np.log(candles.close))
    size = np.abs(returns)
    hour = candles.open_time[1:].astype("datetime64[h]").astype(int) % 24
    by_hour = [size[hour == each].mean() for each in range(24)]

    assert 0.004 < returns.std() < 0.009
    assert 9 < np.mean(returns**4) / np.mean(returns**2) ** 2 < 25
    assert abs(correlate(returns, 1)) < 0.03
    assert 0.24 < correlate(size, 1) < 0.38
    assert 0.11 < correlate(size, 24) < 0.25
    assert 0.09 < correlate(size, 168) < 0.20
    assert 1.7 < max(by_hour) / min(by_hour) < 2.4
    assert 12 < np.argmax(by_hour) < 17  # when New York opens, in UTC


def test_negative_seed_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        simulate_market(-1, "BTC/USDT")
