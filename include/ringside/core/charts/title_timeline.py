"""The chart of who held the titles of a series, and what was decided when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ringside.core.candles import to_datetime64
from ringside.core.charts.canvas import (
    INK,
    MISSED,
    PAPER,
    QUIET,
    Caption,
    Drawing,
    add_axes,
    add_legend,
    make_figure,
    set_utc_axis,
    style_contestant,
    to_days,
)
from ringside.core.verdicts import Reign
from ringside.core.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADING = Words("Who held the titles", "챔피언의 역사")
_READING = Words(
    "One bar per title, coloured by who held it, from its first reign to now. Small marks are "
    "verdicts that kept the champion, diamonds verdicts that moved the title, orange ones those "
    "that left it to a person.",
    "타이틀마다 막대 하나로, 첫 재임부터 지금까지 누가 챔피언이었는지 색으로 나타냅니다. 작은 "
    "표시는 챔피언을 지킨 판정, 마름모는 챔피언을 바꾼 판정, 주황색은 사람에게 맡긴 판정입니다.",
)
_KEPT, _ASKED = "keep_champion", "ask_human"


@dataclass(frozen=True)
class Decided:
    """When a verdict was made, and its outcome."""

    as_of: datetime
    outcome: str


def draw_timeline(
    symbol: str,
    reigns: Mapping[int, Sequence[Reign]],
    verdicts: Mapping[int, Sequence[Decided]],
    *,
    caption: Caption,
) -> Drawing:
    """Draw a lane per title.

    Args:
        symbol: Whose titles.
        reigns: Of each horizon, oldest first; an empty sequence for a title nobody has held.
        verdicts: Of each horizon.
        caption: Its instant ends the last reign.
    """
    claim = _describe(symbol, reigns, verdicts)
    held = {horizon: found for horizon, found in reigns.items() if found}
    if not held:
        return Drawing("timeline", _HEADING, claim)
    figure = make_figure(claim.en, caption, height_in=1.9 + 0.55 * len(held))
    axes = add_axes(figure)
    named: set[str] = set()
    for lane, horizon in enumerate(held):
        _draw_lane(axes, lane, held[horizon], caption.as_of, named)
        _draw_verdicts(axes, lane, verdicts.get(horizon, ()))
    axes.set_yticks(range(len(held)), [f"{horizon} h ahead" for horizon in held])
    axes.set_ylim(len(held) - 0.4, -0.6)
    axes.grid(visible=False)
    add_legend(axes)
    set_utc_axis(axes, "market time, UTC")
    return Drawing("timeline", _HEADING, claim, figure, _READING)


def _draw_lane(
    axes: Axes, lane: int, reigns: Sequence[Reign], end: datetime, named: set[str]
) -> None:
    ends = [*(reign.held_from for reign in reigns[1:]), end]
    for reign, until in zip(reigns, ends, strict=True):
        start = to_days(to_datetime64(reign.held_from))
        # a reign of an instant shall be seen too
        width = max(to_days(to_datetime64(until)) - start, 1 / 24)
        label = None if reign.contestant in named else reign.contestant
        named.add(reign.contestant)
        colour = style_contestant(reign.contestant)["color"]
        axes.barh(
            lane, width, left=start, height=0.5, color=colour, edgecolor=PAPER, linewidth=1,
            label=label,
        )  # fmt: skip


def _draw_verdicts(axes: Axes, lane: int, verdicts: Sequence[Decided]) -> None:
    kinds = (
        ("|", 5, QUIET, [one for one in verdicts if one.outcome == _KEPT]),
        ("d", 6, MISSED, [one for one in verdicts if one.outcome == _ASKED]),
        ("d", 6, INK, [one for one in verdicts if one.outcome not in (_KEPT, _ASKED)]),
    )
    for marker, size, colour, found in kinds:
        if found:
            times = [to_days(to_datetime64(one.as_of)) for one in found]
            axes.plot(
                times, [lane + 0.38] * len(times), marker, color=colour, markersize=size,
                linestyle="none",
            )  # fmt: skip


def _describe(
    symbol: str,
    reigns: Mapping[int, Sequence[Reign]],
    verdicts: Mapping[int, Sequence[Decided]],
) -> Words:
    if not any(reigns.values()):
        return Words(
            f"{symbol}: nobody holds a title yet; the DAG train_challenger crowns the first "
            "champions",
            f"{symbol}: 아직 챔피언이 없습니다. DAG train_challenger를 실행하면 첫 챔피언이 "
            "정해집니다.",
        )
    changes = sum(max(len(found) - 1, 0) for found in reigns.values())
    decided = sum(map(len, verdicts.values()))
    times = {0: "never", 1: "once"}.get(changes, f"{changes} times")
    plural = "" if decided == 1 else "s"
    return Words(
        f"{symbol}: the title has changed hands {times} in {decided:,} verdict{plural}",
        f"{symbol}: 판정 {decided:,}번 동안 챔피언이 {changes}번 바뀌었습니다."
        if changes
        else f"{symbol}: 판정 {decided:,}번 동안 챔피언이 한 번도 바뀌지 않았습니다.",
    )
