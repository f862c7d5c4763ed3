"""The chart of forecasts: each stands at the hour it speaks about, and the claim is counted."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from matplotlib.dates import date2num, num2date

from builders import make_candles
from ringside.core.candles import HOUR, to_datetime
from ringside.core.charts.canvas import Caption
from ringside.core.charts.forecast_fan import TitleForecasts, draw_forecasts, find_missed
from ringside.core.verdicts import Reign

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


def copy_last_price(candles, count=48):
    """Forecasts one hour ahead of a model that says the price will stay where it is."""
    forecasts = make_forecasts(candles, horizon=1, count=count, who="copycat")
    forecasts.quantiles[:] = BAND
    return forecasts


def draw(forecasts, candles, reigns=()):
    as_of = (
        to_datetime(candles.close_time[-1]) if len(candles) else datetime(2025, 1, 1, tzinfo=UTC)
    )
    return draw_forecasts(forecasts, candles, reigns, caption=Caption(as_of, SOURCE))


def read_bands(figure, label):
    """Middle of every bar of one band, its lower and its upper edge."""
    (container,) = [c for c in figure.axes[0].containers if c.get_label() == label]
    return [
        (bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_y() + bar.get_height())
        for bar in container
    ]


def read_line(figure, label):
    """Whole hours since 1970 and the values of one line."""
    (line,) = [one for one in figure.axes[0].lines if one.get_label() == label]
    return dict(zip(np.round(line.get_xdata() * 24), line.get_ydata(), strict=True))


def read_closes(figure, candles):
    """The edge of each candle's body that is its close, by whole hours since 1970."""
    bars = read_bands(figure, "candles")
    rose = candles.close >= candles.open
    return {
        round(x * 24): high if up else low for (x, low, high), up in zip(bars, rose, strict=True)
    }


@pytest.mark.parametrize("horizon", [1, 6, 24])
def test_forecasts_stand_at_their_target_hour(horizon):
    """The band around each median must lie around the close at the same x; an hour off fails."""
    candles = make_candles(120)
    figure = draw(make_forecasts(candles, horizon=horizon), candles).figure
    close_at = read_closes(figure, candles)
    medians = read_line(figure, "median")
    bands = read_bands(figure, "90 % band")
    known = [(x, low, high) for x, low, high in bands if round(x * 24) in close_at]
    assert (len(bands), len(known)) == (48, 48 - horizon)
    for x, low, high in known:
        close = close_at[round(x * 24)]
        assert medians[round(x * 24)] == pytest.approx(close)
        assert (low, high) == (
            pytest.approx(close * np.exp(-0.02)),
            pytest.approx(close * np.exp(0.02)),
        )


def test_copy_of_the_last_price_is_drawn_one_step_late():
    candles = make_candles(120)
    figure = draw(copy_last_price(candles), candles).figure
    close_at = read_closes(figure, candles)
    medians = {hour: price for hour, price in read_line(figure, "median").items() if price == price}
    assert len(medians) == 48
    for hour, median in medians.items():
        assert median == pytest.approx(close_at[hour - 1])
    right = [hour for hour in medians if medians[hour] == pytest.approx(close_at.get(hour))]
    assert len(right) < 3  # it would look perfect at the hour it was made in


def test_candles_stand_at_their_close():
    """A price is known when its candle closes; the axis counts in UTC."""
    candles = make_candles(30)
    (first, *_) = read_bands(draw(make_forecasts(candles, count=3), candles).figure, "candles")
    assert first[0] == pytest.approx(date2num(datetime(2025, 1, 1, 1, tzinfo=UTC)))
    assert num2date(first[0], tz=UTC) == datetime(2025, 1, 1, 1, tzinfo=UTC)
    assert {round(first[1], 2), round(first[2], 2)} == {candles.open[0], candles.close[0]}


def test_outage_in_the_middle_leaves_a_gap_and_no_line_across():
    candles = make_candles(60)
    forecasts = make_forecasts(candles, horizon=1, count=40)
    kept = np.r_[0:20, 23:40]
    holed = TitleForecasts(
        **{
            name: tuple(np.array(column)[kept]) if name == "contestant" else column[kept]
            for name, column in vars(forecasts).items()
            if name not in ("symbol", "horizon")
        },
        symbol="BTC/USDT",
        horizon=1,
    )
    figure = draw(holed, candles.take(np.r_[0:40, 43:60])).figure
    (line,) = [one for one in figure.axes[0].lines if one.get_label() == "median"]
    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [20]


def test_title_counts_the_outcomes_inside_the_band_and_marks_the_others():
    candles = make_candles(120)
    forecasts = make_forecasts(candles, horizon=1, count=48)
    for hour in (3, 10):
        forecasts.quantiles[hour] += 0.03
    drawing = draw(forecasts, candles)
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
    assert drawing.claim.en == "BTC/USDT, 1 hour ahead: 45 of 47 outcomes fell inside the 90 % band"
    assert "47개 가운데 45개" in drawing.claim.ko
    assert drawing.figure.get_suptitle().replace("\n", " ") == drawing.claim.en
    assert np.flatnonzero(find_missed(forecasts)).tolist() == [3, 10]
    (dots,) = [one for one in drawing.figure.axes[0].lines if one.get_label() == "missed"]
    expected = date2num(candles.close_time[[120 - 48 + 3 + 1, 120 - 48 + 10 + 1]])
    assert dots.get_xdata() == pytest.approx(expected)


def test_chart_says_who_held_the_title_and_what_is_replayed():
    candles = make_candles(60)
    since = to_datetime(candles.close_time[-10]) + timedelta(minutes=5)
    reign = Reign("BTC/USDT", 6, "xgboost", 3, since, since, "test", "test")
    figure = draw(make_forecasts(candles, is_live=False, count=20), candles, [reign]).figure
    strip = figure.axes[1]
    assert [text.get_text() for text in strip.get_legend().get_texts()] == ["persistence, replayed"]
    assert strip.lines[0].get_xdata()[0] == pytest.approx(date2num(since))


def test_axes_name_their_units_and_the_footer_its_source():
    candles = make_candles(60)
    figure = draw(make_forecasts(candles), candles).figure
    assert figure.axes[0].get_ylabel() == "price of BTC/USDT, USDT"
    assert figure.axes[1].get_xlabel() == "target hour, UTC"
    assert (
        figure.get_supxlabel() == "as of 2025-01-03 12:00 UTC · source: simulated market (seed 7)"
    )


@pytest.mark.parametrize("count", [0, 1])
def test_one_forecast_and_hardly_a_candle_are_drawn(count):
    candles = make_candles(2)
    drawing = draw(make_forecasts(candles, count=1), candles.take(slice(0, count)))
    assert len(read_bands(drawing.figure, "50 % band")) == 1
    assert drawing.claim.en.endswith("no outcome of these forecasts is known yet")
    drawing.figure.canvas.draw()


def test_without_a_forecast_words_take_the_place_of_the_chart():
    candles = make_candles(2)
    drawing = draw(make_forecasts(candles, count=0), candles)
    assert drawing.figure is None
    assert drawing.claim.en.endswith("no forecast of these days is on the record")
