"""Charts: every forecast stands at the hour it speaks about, and titles claim what is drawn."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.dates import date2num, num2date

import ringside.core.charts
from builders import make_candles
from ringside.core.candles import HOUR, to_datetime
from ringside.core.charts import (
    Caption,
    TitleForecasts,
    describe_coverage,
    find_missed,
    render_forecasts,
    render_gains,
)
from ringside.core.verdicts import Reign, ScoredHours

BAND = np.array([-0.02, -0.008, 0.0, 0.008, 0.02])
SOURCE = "simulated market (seed 7)"


def make_forecasts(candles, *, horizon=6, count=48, who="persistence", is_live=True):
    """Forecasts whose median is exactly what the price turned out to be, where that is known."""
    issued = np.arange(len(candles) - count, len(candles))
    target_time = candles.close_time[issued] + horizon * HOUR
    price_at = dict(zip(candles.close_time, candles.close, strict=True))
    realised = np.array(
        [
            np.log(price_at[t] / candles.close[i]) if t in price_at else np.nan
            for t, i in zip(target_time, issued, strict=True)
        ]
    )
    return TitleForecasts(
        symbol="BTC/USDT",
        horizon=horizon,
        as_of=candles.close_time[issued],
        target_time=target_time,
        contestant=(who,) * count,
        is_live=np.full(count, is_live),
        anchor_close=candles.close[issued],
        quantiles=np.nan_to_num(realised)[:, None] + BAND,
        realised_return=realised,
    )


def draw(forecasts, candles, reigns=()):
    as_of = (
        to_datetime(candles.close_time[-1]) if len(candles) else datetime(2025, 1, 1, tzinfo=UTC)
    )
    return render_forecasts(forecasts, candles, reigns, caption=Caption(as_of, SOURCE))


def read_bands(figure, label):
    """Centre and middle price of every bar of one band."""
    axes = figure.axes[0]
    (container,) = [c for c in axes.containers if c.get_label() == label]
    return [
        (bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_y() + bar.get_height())
        for bar in container
    ]


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_forecasts_stand_at_their_target_hour(horizon):
    """The band around each median must lie around the price at the same x; an hour off fails."""
    candles = make_candles(120)
    figure = draw(make_forecasts(candles, horizon=horizon), candles)
    (line,) = [one for one in figure.axes[0].lines if one.get_label() == "close"]
    price_at = dict(zip(np.round(line.get_xdata() * 24), line.get_ydata(), strict=True))
    bands = read_bands(figure, "90 % band")
    known = [(x, low, high) for x, low, high in bands if round(x * 24) in price_at]
    assert (len(bands), len(known)) == (48, 48 - horizon)
    for x, low, high in known:
        price = price_at[round(x * 24)]
        assert (low, high) == (
            pytest.approx(price * np.exp(-0.02)),
            pytest.approx(price * np.exp(0.02)),
        )


def test_candles_stand_at_their_close():
    """A price is known when its candle closes; the axis counts in UTC."""
    candles = make_candles(30)
    figure = draw(make_forecasts(candles, count=3), candles)
    (line,) = [one for one in figure.axes[0].lines if one.get_label() == "close"]
    assert line.get_xdata()[0] == pytest.approx(date2num(datetime(2025, 1, 1, 1, tzinfo=UTC)))
    assert line.get_ydata()[0] == candles.close[0]
    assert num2date(line.get_xdata()[0], tz=UTC) == datetime(2025, 1, 1, 1, tzinfo=UTC)


def test_no_line_crosses_missing_hours():
    candles = make_candles(60)
    holed = candles.take(np.r_[0:30, 33:60])
    figure = draw(make_forecasts(holed, count=5), holed)
    (line,) = [one for one in figure.axes[0].lines if one.get_label() == "close"]
    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [30]


def test_title_counts_the_outcomes_inside_the_band_and_marks_the_others():
    candles = make_candles(120)
    forecasts = make_forecasts(candles, horizon=1, count=48)
    for hour in (3, 10):
        forecasts.quantiles[hour] += 0.03
    figure = draw(forecasts, candles)
    naive = sum(
        low <= outcome <= high
        for outcome, low, high in zip(
            forecasts.realised_return,
            forecasts.quantiles[:, 0],
            forecasts.quantiles[:, 4],
            strict=True,
        )
    )
    assert naive == 45
    assert figure.get_suptitle() == (
        "BTC/USDT, 1 hour ahead: 45 of 47 outcomes fell inside the 90 % band"
    )
    assert np.flatnonzero(find_missed(forecasts)).tolist() == [3, 10]
    (dots,) = [one for one in figure.axes[0].lines if one.get_label() == "missed"]
    expected = date2num(candles.close_time[[120 - 48 + 3 + 1, 120 - 48 + 10 + 1]])
    assert dots.get_xdata() == pytest.approx(expected)


def test_chart_says_who_held_the_title_and_what_is_replayed():
    candles = make_candles(60)
    since = to_datetime(candles.close_time[-10]) + timedelta(minutes=5)
    reign = Reign("BTC/USDT", 6, "xgboost", 3, since, since, "test", "test")
    figure = draw(make_forecasts(candles, is_live=False, count=20), candles, [reign])
    strip = figure.axes[1]
    assert [text.get_text() for text in strip.get_legend().get_texts()] == ["persistence, replayed"]
    assert strip.lines[0].get_xdata()[0] == pytest.approx(date2num(since))


def test_axes_name_their_units_and_the_footer_its_source():
    candles = make_candles(60)
    figure = draw(make_forecasts(candles), candles)
    assert figure.axes[0].get_ylabel() == "price of BTC/USDT, USDT"
    assert figure.axes[1].get_xlabel() == "target hour, UTC"
    assert figure.texts[-1].get_text() == (
        "as of 2025-01-03 12:00 UTC · source: simulated market (seed 7)"
    )


@pytest.mark.parametrize("count", [0, 1])
def test_one_forecast_and_hardly_a_candle_are_drawn(count):
    candles = make_candles(2)
    figure = draw(make_forecasts(candles, count=1), candles.take(slice(0, count)))
    assert len(read_bands(figure, "50 % band")) == 1
    assert figure.get_suptitle().endswith("no outcome of these forecasts is known yet")
    figure.canvas.draw()


def test_nothing_to_draw_is_refused():
    candles = make_candles(2)
    nothing = make_forecasts(candles, count=0)
    assert describe_coverage(nothing).endswith("no outcome of these forecasts is known yet")
    with pytest.raises(ValueError, match="no forecast to draw"):
        draw(nothing, candles)


def make_hours(loss, *, skip=0):
    as_of = np.datetime64("2026-01-01", "s") + np.arange(skip, skip + len(loss)) * HOUR
    return ScoredHours(as_of, np.asarray(loss, float), np.ones(len(loss), bool))


def draw_gains(scored, horizon=6):
    caption = Caption(datetime(2026, 2, 1, tzinfo=UTC), SOURCE)
    return render_gains("BTC/USDT", horizon, scored, caption=caption)


def test_gains_add_up_over_the_shared_hours_at_the_hour_of_the_outcome():
    rng = np.random.default_rng(0)
    naive, other = rng.gamma(4, 0.06, 50), rng.gamma(4, 0.05, 50)
    figure = draw_gains({"persistence": make_hours(naive), "xgboost": make_hours(other, skip=10)})
    (line,) = [one for one in figure.axes[0].lines if one.get_label() == "xgboost"]
    total, expected = 0.0, []
    for hour in range(40):
        total += naive[hour + 10] - other[hour]
        expected.append(total)
    assert line.get_ydata() == pytest.approx(expected)
    first_outcome = datetime(2026, 1, 1, 10 + 6, tzinfo=UTC)
    assert line.get_xdata()[0] == pytest.approx(date2num(first_outcome))
    gain = 1 - other[:40].mean() / naive[10:].mean()
    assert figure.get_suptitle() == (
        f"BTC/USDT, 6 hours ahead: xgboost leads, {gain:.1%} less loss than persistence "
        "over 40 shared hours"
    )


def test_title_admits_that_nobody_beats_persistence():
    hours = {"persistence": make_hours(np.ones(9)), "xgboost": make_hours(np.full(9, 1.1))}
    assert "nobody has a lower loss than persistence" in draw_gains(hours).get_suptitle()


@pytest.mark.parametrize(
    "scored",
    [
        {},
        {"xgboost": make_hours(np.ones(5))},
        {"persistence": make_hours(np.ones(5)), "xgboost": make_hours(np.ones(5), skip=5)},
    ],
)
def test_gains_without_a_shared_hour_are_refused(scored):
    with pytest.raises(ValueError, match="no hour is shared with persistence"):
        draw_gains(scored)


def test_importing_charts_loads_no_matplotlib():
    code = "import sys, ringside.core.charts; sys.exit('matplotlib' in sys.modules)"
    package = Path(ringside.core.charts.__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(package)}, check=False
    )
    assert child.returncode == 0
