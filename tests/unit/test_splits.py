"""Walk-forward: no row whose target reaches past the fit's instant."""

import numpy as np
import pytest

from builders import make_candles
from ringside.core.candles import HOUR
from ringside.core.features import WARM_UP, compute_features
from ringside.core.splits import find_weeks, make_sample, select_rows

COUNT = WARM_UP + 900


@pytest.fixture(scope="module")
def table():
    return compute_features(make_candles(COUNT))


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_last_row_fitted_on_had_come_true_at_as_of(table, horizon):
    as_of = table.open_time[-200]
    sample = make_sample(table, horizon=horizon, as_of=as_of, train_days=10)

    closed = sample.open_time + HOUR
    assert closed[-1] + horizon * HOUR == as_of
    assert closed[0] == as_of - np.timedelta64(10, "D") + HOUR
    assert len(sample) == 240 - horizon


def test_candles_after_as_of_change_nothing(table):
    as_of = table.open_time[-200]
    candles = make_candles(COUNT)
    early = compute_features(candles.take(candles.close_time <= as_of))
    for horizon in (1, 24):
        late_sample, early_sample = (
            make_sample(rows, horizon=horizon, as_of=as_of, train_days=10)
            for rows in (table, early)
        )
        np.testing.assert_array_equal(late_sample.target, early_sample.target)
        np.testing.assert_array_equal(late_sample.features, early_sample.features)


def test_rows_beside_a_gap_are_left_out():
    candles = make_candles(COUNT)
    keep = np.ones(COUNT, dtype=bool)
    keep[COUNT - 100] = False
    table = compute_features(candles.take(keep))
    sample = make_sample(table, horizon=6, as_of=candles.close_time[-1], train_days=10)

    missing = candles.open_time[COUNT - 100]
    assert missing not in sample.open_time
    assert missing - 6 * HOUR not in sample.open_time
    assert np.isfinite(sample.target).all()
    assert np.isfinite(sample.features).all()


def test_weeks_follow_each_other_and_end_at_the_end():
    end = np.datetime64("2025-03-03T05", "s")
    weeks = list(find_weeks(end, 3))
    assert weeks[-1].end == end
    assert [week.end for week in weeks[:-1]] == [week.start for week in weeks[1:]]
    assert {week.end - week.start for week in weeks} == {np.timedelta64(7, "D")}


def test_every_hour_falls_into_exactly_one_week(table):
    weeks = list(find_weeks(table.open_time[-1] + HOUR, 3))
    rows = np.concatenate([select_rows(table, week.start, week.end) for week in weeks])
    closed = table.take(rows).open_time + HOUR
    assert len(rows) == len(np.unique(rows)) == 3 * 168
    assert (closed[0], closed[-1]) == (weeks[0].start, weeks[-1].end - HOUR)
