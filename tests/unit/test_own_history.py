from dataclasses import replace

import numpy as np
import pytest

from builders import make_candles
from ringside.core.candles import Candles
from ringside.core.own_history import find_joints, find_strangers, measure_usual

ROWS = 800


@pytest.fixture
def candles():
    return make_candles(ROWS)


def plant_foreign(candles: Candles, rows) -> Candles:
    """Put rows of another venue in: 7 basis points lower, a fourteenth of the volume."""
    planted = replace(
        candles, **{n: getattr(candles, n).copy() for n in ("open", "close", "volume")}
    )
    planted.open[rows] *= 0.9993
    planted.close[rows] *= 0.9993
    planted.volume[rows] = 0.07 * np.median(candles.volume)
    return planted


@pytest.mark.parametrize(
    "rows", [[760], [760, 761, 762], [799]], ids=["one", "a stretch", "the newest"]
)
def test_rows_of_another_venue_are_found_and_no_others(candles, rows):
    history = candles.take(slice(0, 750))
    batch = plant_foreign(candles, rows).take(slice(750, ROWS))
    strange = find_strangers(batch, measure_usual(history), before=history)
    assert (np.flatnonzero(strange) + 750).tolist() == rows


def plant_coarse(candles: Candles, rows, *, shift: float) -> Candles:
    """Put rows on a price step of 0.1 in, moved by a fraction, with the volume they had."""
    planted = replace(
        candles,
        **{n: getattr(candles, n).copy() for n in ("open", "high", "low", "close")},
    )
    for name in ("open", "high", "low", "close"):
        prices = getattr(planted, name)
        prices[rows] = (prices[rows] * (1 + shift)).round(1)
    return planted


@pytest.mark.parametrize(("shift", "found"), [(-3e-4, [760, 761, 762]), (0.0, [])])
def test_a_coarser_price_step_and_a_small_gap_betray_another_venue(candles, shift, found):
    history = candles.take(slice(0, 750))
    batch = plant_coarse(candles, [760, 761, 762], shift=shift).take(slice(750, ROWS))
    strange = find_strangers(batch, measure_usual(history), before=history)
    assert (np.flatnonzero(strange) + 750).tolist() == found


def test_a_venue_that_makes_its_price_step_coarser_is_itself(candles):
    rows = np.arange(750, ROWS)
    batch = plant_coarse(candles, rows, shift=0.0).take(slice(750, ROWS))
    history = candles.take(slice(0, 750))
    assert not find_strangers(batch, measure_usual(history), before=history).any()


def test_prices_that_are_all_round_tell_no_step(candles):
    assert measure_usual(candles).coarse_step == pytest.approx(0.1)
    whole = replace(candles, close=np.full(ROWS, 1e6))
    assert np.isnan(measure_usual(whole).coarse_step)


def test_a_leap_alone_or_a_quiet_hour_alone_is_no_stranger(candles):
    history = candles.take(slice(0, 750))
    leap = replace(candles, open=candles.open.copy())
    leap.open[760] *= 1.01
    leap.volume[760] = leap.volume[:750].max()
    leap.volume[770] = 0.1
    strange = find_strangers(leap.take(slice(750, ROWS)), measure_usual(history), before=history)
    assert not strange.any()


def test_joints_reach_the_last_published_close_but_no_missing_hour(candles):
    history, batch = candles.take(slice(0, 10)), candles.take(np.r_[10, 12, 13])
    joints = find_joints(batch, before=history)
    assert np.isnan(joints).tolist() == [False, True, False]
    assert joints[0] == np.log(candles.open[10] / candles.close[9])


def test_a_short_history_calls_little_unusual(candles):
    usual = measure_usual(candles.take(slice(0, 20)))
    assert np.isnan(usual.joint)
    assert usual.range_frac == 0.25
