"""What `make stand-in` trades: candles of a folder or the simulated market, moved to be now."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from builders import START, make_candles, write_candle_file
from ringside.errors import SettingsError
from ringside_standin.__main__ import make_exchange

REAL_NOW = datetime(2031, 5, 6, 7, 40, tzinfo=UTC)


def ask_last_open(exchange, end):
    query = {"symbol": "BTCUSDT", "interval": "1h", "endTime": str(int(end.timestamp() * 1000))}
    answer = exchange.answer("/api/v3/klines", query)
    return json.loads(answer.body)[-1]


def test_files_are_moved_so_that_a_month_lies_ahead(tmp_path):
    candles = make_candles(40 * 24)
    write_candle_file(candles, tmp_path)
    now = datetime.now(UTC)
    exchange = make_exchange(["BTC/USDT"], folder=tmp_path, real_now=now)
    row = ask_last_open(exchange, now - timedelta(hours=1))
    assert row[0] % 3_600_000 == 0
    # Ten days of forty have passed; the hour before the one under way is the last closed.
    assert row[4] == f"{candles.close[10 * 24 - 1]:.8f}"


def test_any_instant_of_the_candles_can_be_now(tmp_path):
    candles = make_candles(48)
    write_candle_file(candles, tmp_path)
    now = datetime.now(UTC)
    exchange = make_exchange(
        ["BTC/USDT"], folder=tmp_path, starts_at=START + timedelta(hours=30), real_now=now
    )
    assert ask_last_open(exchange, now - timedelta(hours=1))[4] == f"{candles.close[29]:.8f}"


def test_simulated_market_is_traded_without_a_folder():
    now = datetime.now(UTC)
    row = ask_last_open(make_exchange(["BTC/USDT"], seed=3, real_now=now), now)
    assert now.timestamp() * 1000 - row[0] < 3_600_000


def test_symbol_that_the_folder_lacks_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="SOL/USDT"):
        make_exchange(["SOL/USDT"], folder=tmp_path, real_now=REAL_NOW)
