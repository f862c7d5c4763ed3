"""The chart of how many outcomes the bands have held, as time went by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Floats, Times
from ringside.core.charts.canvas import (
    INK,
    Caption,
    Drawing,
    add_axes,
    add_legend,
    break_at_gaps,
    find_marker,
    make_figure,
    set_utc_axis,
    style_contestant,
    to_days,
)
from ringside.core.scorecards import Track
from ringside.core.words import Words, of_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DAYS = 30
"""Days of outcomes behind each point, its own included."""

_FEWEST = 24
_HEADING = Words("Do the bands hold what they promise?", "밴드가 약속을 지키는가")
_READING = Words(
    f"Each point counts the outcomes of {DAYS} days. A line above its level means bands too wide, "
    "below it bands too narrow.",
    f"점마다 {DAYS}일 동안의 결과를 셉니다. 선이 기준보다 위에 있으면 밴드가 너무 넓고, 아래에 "
    "있으면 너무 좁은 것입니다.",
)
_DAY = np.timedelta64(1, "D")


def draw_coverage(
    symbol: str, horizon: int, holder: str, tracks: Mapping[str, Track], *, caption: Caption
) -> Drawing:
    """Draw the share of outcomes inside the 90 % and the 50 % band in the days up to each."""
    name = f"h{horizon}-coverage"
    claim = of_title(symbol, horizon, _describe(holder, tracks))
    if not tracks:
        return Drawing(name, _HEADING, claim)
    figure = make_figure(claim.en, caption, height_in=4.2)
    grid = figure.add_gridspec(2, 1)
    upper = add_axes(figure, grid[0])
    lower = add_axes(figure, grid[1], sharex=upper)
    _draw_panel(upper, tracks, 90)
    _draw_panel(lower, tracks, 50)
    upper.tick_params(labelbottom=False)
    add_legend(upper)
    set_utc_axis(lower, "day of the outcome, UTC")
    return Drawing(name, _HEADING, claim, figure, _READING)


def roll_coverage(target_time: Times, inside: NDArray[np.bool_]) -> tuple[Times, Floats]:
    """Compute the share of hits over the `DAYS` days that end with each day of outcomes.

    Returns:
        Ends of the days and shares; days with fewer than a day of outcomes behind them are left
        out, unless there are no others.
    """
    day = (target_time - HOUR).astype("datetime64[D]")
    days, place = np.unique(day, return_inverse=True)
    outcomes, hits = np.bincount(place), np.bincount(place, inside.astype(float))
    first = np.searchsorted(days, days - (DAYS - 1) * _DAY)
    total = np.concatenate([[0], np.cumsum(outcomes)])
    held = np.concatenate([[0.0], np.cumsum(hits)])
    ends = np.arange(1, len(days) + 1)
    count = total[ends] - total[first]
    share = (held[ends] - held[first]) / count
    enough = count >= min(_FEWEST, int(count.max()))
    return (days + _DAY)[enough].astype("datetime64[s]"), share[enough]


def _draw_panel(axes: Axes, tracks: Mapping[str, Track], level: int) -> None:
    axes.axhline(level, color=INK, linewidth=0.8)
    for name in sorted(tracks):
        track = tracks[name]
        inside = track.inside_90 if level == 90 else track.inside_50
        times, share = break_at_gaps(*roll_coverage(track.target_time, inside), step=_DAY)
        axes.plot(
            to_days(times), 100 * share, linewidth=1.4, label=name,
            marker=find_marker(len(times)), markersize=2,
            **style_contestant(name),
        )  # fmt: skip
    axes.set_ylabel(f"inside the {level} %\nband, percent")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, level - 5), min(max(high, level + 5), 101))


def _describe(holder: str, tracks: Mapping[str, Track]) -> Words:
    if not tracks:
        return Words(
            "no forecast has been scored yet, so no coverage can be counted",
            "채점된 예측이 아직 없어 밴드의 적중률을 셀 수 없습니다.",
        )
    name = holder if holder in tracks else sorted(tracks)[0]
    track = tracks[name]
    recent = track.target_time > track.target_time[-1] - DAYS * _DAY
    wide = float(track.inside_90[recent].mean())
    narrow = float(track.inside_50[recent].mean())
    return Words(
        f"{wide:.1%} of {name}'s last {DAYS} days fell inside its 90 % band, {narrow:.1%} inside "
        "its 50 % band",
        f"{name} 모델의 최근 {DAYS}일 결과 가운데 {wide:.1%}가 90 % 밴드에, {narrow:.1%}가 50 % "
        "밴드에 들었습니다.",
    )
