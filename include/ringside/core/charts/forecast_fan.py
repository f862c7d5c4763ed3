"""The chart of forecasts as they were issued, drawn at the hours they speak about.

A forecast for the next hour stands at the next hour, not at the hour it was made in: a model that
copies the last price is seen to come one step late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Candles, Floats, Times, to_datetime64
from ringside.core.charts.canvas import (
    BAND_50,
    BAND_90,
    INK,
    MISSED,
    PAPER,
    QUIET,
    Caption,
    Drawing,
    add_axes,
    add_legend,
    break_at_gaps,
    make_figure,
    set_utc_axis,
    style_contestant,
    to_days,
)
from ringside.core.quantiles import MEDIAN
from ringside.core.verdicts import Reign
from ringside.core.words import Words, of_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADING = Words("Forecasts and what came true", "예측과 실제 결과")
_READING = Words(
    "Each band stands at the hour it was made for. Candles show what came true, circles the "
    "outcomes outside the 90 % band, the dashed vertical line the instant of this report. The "
    "strip below tells who forecast; hatched hours were replayed later in as-of order.",
    "밴드는 예측한 바로 그 시각에 그렸습니다. 캔들은 실제 가격, 동그라미는 90 % 밴드를 벗어난 "
    "결과, 세로 점선은 이 보고서의 기준 시각입니다. 아래 띠는 누가 예측했는지를 나타내며, 빗금은 "
    "나중에 과거 시점으로 재현한 예측입니다.",
)
_HOUR_DAYS = 1 / 24


@dataclass(frozen=True)
class TitleForecasts:
    """Forecasts made in a title's name, one per `as_of`, sorted; all columns of length n.

    Times are `datetime64[s]` in UTC. `quantiles` are log returns from `anchor_close` at the levels
    0.05, 0.25, 0.5, 0.75 and 0.95, shape (n, 5). `realised_return` is NaN until the target hour
    is over and scored.
    """

    symbol: str
    horizon: int
    as_of: Times
    target_time: Times
    contestant: Sequence[str]
    is_live: NDArray[np.bool_]
    anchor_close: Floats
    quantiles: Floats
    realised_return: Floats

    def __len__(self) -> int:
        return len(self.as_of)

    @property
    def prices(self) -> Floats:
        """The quantiles as prices in the quote currency, shape (n, 5)."""
        prices: Floats = self.anchor_close[:, None] * np.exp(self.quantiles)
        return prices


def draw_forecasts(
    forecasts: TitleForecasts, candles: Candles, reigns: Sequence[Reign], *, caption: Caption
) -> Drawing:
    """Draw the bands and medians over the hours they forecast, what came true, and who held.

    Args:
        forecasts: May be empty.
        candles: Closed candles of the same symbol; each stands at its close time.
        reigns: Reigns of the title that began in the hours shown, oldest first.
        caption: Goes into the footer.
    """
    name, claim = f"h{forecasts.horizon}-forecasts", describe_coverage(forecasts)
    if len(forecasts) == 0:
        return Drawing(name, _HEADING, claim)
    figure = make_figure(claim.en, caption, height_in=4.2)
    grid = figure.add_gridspec(2, 1, height_ratios=(14, 1))
    axes, strip = add_axes(figure, grid[0]), add_axes(figure, grid[1])
    _draw_bands(axes, forecasts)
    _draw_candles(axes, candles)
    _draw_missed(axes, forecasts)
    axes.axvline(to_days(to_datetime64(caption.as_of)), color=QUIET, linewidth=1, linestyle="--")
    axes.set_ylabel(f"price of {forecasts.symbol}, {forecasts.symbol.rsplit('/')[-1]}")
    axes.tick_params(labelbottom=False)
    axes.yaxis.set_major_formatter("{x:,g}")
    add_legend(axes, ncols=3)
    axes.use_sticky_edges = False  # the lowest band would stand on the axis
    axes.margins(y=0.08)
    _draw_holders(strip, forecasts, reigns)
    strip.set_xlim(axes.get_xlim())
    set_utc_axis(strip, "target hour, UTC")
    return Drawing(name, _HEADING, claim, figure, _READING)


def describe_coverage(forecasts: TitleForecasts) -> Words:
    """State how many outcomes fell inside the 90 % band; the claim of the chart."""
    known = np.isfinite(forecasts.realised_return)
    if len(forecasts) == 0:
        claim = Words(
            "no forecast of these days is on the record",
            "이 기간에 기록된 예측이 아직 없습니다.",
        )
    elif not known.any():
        claim = Words(
            "no outcome of these forecasts is known yet",
            "이 예측들의 결과를 아직 알 수 없습니다.",
        )
    else:
        inside = int(known.sum() - find_missed(forecasts).sum())
        claim = Words(
            f"{inside} of {known.sum()} outcomes fell inside the 90 % band",
            f"결과 {known.sum()}개 가운데 {inside}개가 90 % 밴드 안에 들었습니다.",
        )
    return of_title(forecasts.symbol, forecasts.horizon, claim)


def find_missed(forecasts: TitleForecasts) -> NDArray[np.bool_]:
    """Tell the forecasts whose known outcome lies outside the 90 % band, shape (n,)."""
    outcome, quantiles = forecasts.realised_return, forecasts.quantiles
    missed: NDArray[np.bool_] = (outcome < quantiles[:, 0]) | (outcome > quantiles[:, 4])
    return missed


def _draw_bands(axes: Axes, forecasts: TitleForecasts) -> None:
    """Draw each forecast's bands over the hour it speaks of, not the hour it was made in."""
    prices = forecasts.prices
    for low, high, colour, name in ((0, 4, BAND_90, "90 % band"), (1, 3, BAND_50, "50 % band")):
        axes.bar(
            to_days(forecasts.target_time),
            prices[:, high] - prices[:, low],
            bottom=prices[:, low],
            width=_HOUR_DAYS,
            color=colour,
            linewidth=0,
            antialiased=False,
            label=name,
        )
    times, medians = break_at_gaps(forecasts.target_time, prices[:, MEDIAN])
    axes.plot(
        to_days(times), medians, color=style_contestant("xgboost")["color"], linewidth=1.1,
        marker=".", markersize=2, label="median",
    )  # fmt: skip


def _draw_candles(axes: Axes, candles: Candles) -> None:
    """Draw candles at the hour they close in: hollow where the price rose, solid where it fell."""
    if len(candles) == 0:
        return
    hours = to_days(candles.close_time)
    axes.vlines(hours, candles.low, candles.high, color=INK, linewidth=0.6)
    low = np.minimum(candles.open, candles.close)
    axes.bar(
        hours,
        np.abs(candles.close - candles.open),
        bottom=low,
        width=0.62 * _HOUR_DAYS,
        color=[PAPER if rose else INK for rose in candles.close >= candles.open],
        edgecolor=INK,
        linewidth=0.5,
        label="candles",
    )


def _draw_missed(axes: Axes, forecasts: TitleForecasts) -> None:
    missed = find_missed(forecasts)
    if not missed.any():
        return
    outcome = forecasts.anchor_close * np.exp(forecasts.realised_return)
    axes.plot(
        to_days(forecasts.target_time[missed]), outcome[missed], "o", color=MISSED,
        markerfacecolor="none", markersize=6, label="missed",
    )  # fmt: skip


def _draw_holders(strip: Axes, forecasts: TitleForecasts, reigns: Sequence[Reign]) -> None:
    """Colour every target hour by the contestant that forecast it; replayed hours are hatched."""
    for name in sorted(set(forecasts.contestant)):
        is_theirs = np.array([contestant == name for contestant in forecasts.contestant])
        for is_live, hatch in ((True, None), (False, "////")):
            hours = forecasts.target_time[is_theirs & (forecasts.is_live == is_live)]
            if len(hours) == 0:
                continue
            colour = style_contestant(name)["color"]
            strip.bar(
                to_days(hours), 1, width=_HOUR_DAYS, color=colour if is_live else PAPER,
                edgecolor=colour, hatch=hatch, linewidth=0,
                label=name if is_live else f"{name}, replayed",
            )  # fmt: skip
    for reign in reigns:
        strip.axvline(to_days(to_datetime64(reign.held_from)), color=INK, linewidth=1)
    strip.grid(visible=False)
    strip.set_yticks([])
    strip.set_ylim(0, 1)
    strip.set_ylabel("by", rotation=0, ha="right", va="center")
    add_legend(strip, ncols=2)
