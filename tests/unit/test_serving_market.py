"""The market with a memory: how often it reads, and what it tells when it cannot."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from builders import make_candles
from forecast_api.hour_inputs import HourInputs
from forecast_api.kept_market import AWAITING_S, COMPLETE_S, DOWN_S, KeptMarket
from ringside.core.candles import floor_hour
from ringside.core.features import LOOKBACK
from ringside.core.known_values import KnownValues
from ringside.errors import StoreUnavailableError
from serving_builders import FakeMarket, find_end

CANDLES = make_candles(LOOKBACK, seed=3)
NOW = datetime(2026, 1, 1, 12, 20, tzinfo=UTC)
OFFSET = find_end(CANDLES) - floor_hour(NOW)


class Counting(FakeMarket):
    """A market that runs with real time and counts who asks."""

    reads = 0

    def read_window(self, symbol, *, real_time):
        type(self).reads += 1
        self.market_time = real_time + OFFSET
        window = super().read_window(symbol, real_time=real_time)
        return None if window is None else replace(window, candles=window.candles.take(slice(None)))


@pytest.fixture
def market() -> Counting:
    Counting.reads = 0
    return Counting(CANDLES, NOW + OFFSET)


@pytest.fixture
def kept(market, tmp_path) -> KeptMarket:
    return KeptMarket(market, tmp_path)


def read(kept: KeptMarket, after_s: float):
    return kept.read_window("BTC/USDT", real_time=NOW + timedelta(seconds=after_s))


def test_complete_hour_is_read_every_few_seconds_and_market_time_goes_on(kept, market):
    first = read(kept, 0)
    later = read(kept, COMPLETE_S - 1)
    assert market.reads == 1
    assert later.market_time - first.market_time == timedelta(seconds=COMPLETE_S - 1)
    assert read(kept, COMPLETE_S).candles is first.candles  # the same content is the same object
    assert market.reads == 2


def test_candle_that_is_awaited_is_looked_for_more_often(kept, market):
    read(kept, 2400)  # the next full hour: its candle is not there
    read(kept, 2400 + AWAITING_S)
    assert market.reads == 2


def test_full_hour_is_never_slept_through(kept, market):
    read(kept, 2398)
    read(kept, 2400)
    assert market.reads == 2


def test_revised_candle_is_another_object(kept, market):
    first = read(kept, 0)
    market.candles = replace(CANDLES, close=CANDLES.close * 1.001)
    second = read(kept, COMPLETE_S)
    assert second.candles is not first.candles
    assert second.candles.close[-1] == market.candles.close[-1]


def test_database_down_tells_what_was_last_read_and_leaves_it_alone_for_a_while(kept, market):
    first = read(kept, 0)
    market.is_down = True
    told = read(kept, COMPLETE_S)
    assert (told.origin, told.candles is first.candles) == ("memory", True)
    read(kept, COMPLETE_S + DOWN_S - 1)
    assert market.reads == 2
    market.is_down = False
    assert read(kept, COMPLETE_S + DOWN_S).origin == "database"


def test_cold_start_without_database_tells_the_copy_on_disk(kept, market, tmp_path):
    first = read(kept, 0)
    market.is_down = True
    told = read(KeptMarket(market, tmp_path), 7200)
    assert told.origin == "disk"
    assert told.source == "simulated"
    assert told.market_time == first.market_time + timedelta(hours=2)
    assert told.candles.close.tolist() == first.candles.close.tolist()
    assert told.candles.open_time.tolist() == first.candles.open_time.tolist()
    still = KeptMarket(market, tmp_path)
    read(still, 0)
    assert read(still, DOWN_S).origin == "disk"


@pytest.mark.parametrize("damage", ["", "\n", "x\n{}", None])
def test_copy_that_is_damaged_counts_as_none(kept, market, tmp_path, damage, caplog):
    read(kept, 0)
    [file] = tmp_path.glob("*.json")
    text = file.read_text()
    file.write_text(text.replace("simulated", "simulatec") if damage is None else damage)
    market.is_down = True
    with pytest.raises(StoreUnavailableError):
        read(KeptMarket(market, tmp_path), 0)
    assert "cannot be used" in caplog.text


def test_clock_that_is_not_set_is_asked_again(kept, market):
    market.is_set = False
    assert read(kept, 0) is None
    market.is_set = True
    assert read(kept, 0) is not None


def test_disk_that_refuses_is_logged_and_serving_goes_on(market, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert read(KeptMarket(market, tmp_path / "file"), 0) is not None
    assert "cannot be kept" in caplog.text


def make_inputs(shift=0.1):
    values = KnownValues(CANDLES.close_time[:3], np.array([15.1, np.nan, 16.3]))
    return HourInputs({(6, "xgboost"): (shift, 0.0, 0.0, 0.0, -1 / 3)}, {"vix": values})


def test_inputs_of_the_hour_stay_the_same_object_until_they_change(kept, market):
    market.inputs = make_inputs()
    first = read(kept, 0)
    market.inputs = make_inputs()
    assert read(kept, COMPLETE_S).inputs is first.inputs
    market.inputs = make_inputs(0.2)
    last = read(kept, 2 * COMPLETE_S)
    assert last.candles is first.candles
    assert last.inputs.find_shifts(6, "xgboost")[0] == 0.2


def test_inputs_are_told_while_the_database_is_down_and_after_a_cold_start(kept, market, tmp_path):
    read(kept, 0)
    market.inputs = make_inputs()
    read(kept, COMPLETE_S)  # the candles are the same, and the copy is written anew all the same
    market.is_down = True
    assert read(kept, 2 * COMPLETE_S).inputs is market.inputs
    told = read(KeptMarket(market, tmp_path), 7200).inputs
    assert told.is_same(make_inputs())
    assert not told.is_same(make_inputs(0.2))
    assert told.find_shifts(1, "xgboost") == (0.0,) * 5
