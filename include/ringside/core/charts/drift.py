"""The chart of inputs that have moved, ranked by what the move does to the loss."""

from __future__ import annotations

from collections.abc import Sequence

from ringside.core.charts.canvas import (
    COLOURS,
    GRID,
    INK,
    QUIET,
    Caption,
    Drawing,
    add_axes,
    add_legend,
    make_figure,
)
from ringside.core.input_drift import RECENT_DAYS, InputDrift
from ringside.core.words import Words, of_title

SHOWN = 10
_HEADING = Words("Inputs that drift", "변하고 있는 입력")
_READING = Words(
    f"By how much the loss would change if past hours resembled the last {RECENT_DAYS} days in "
    "this one input. Grey bars show the largest change that any earlier span of that length would "
    "have brought; D is the gap between the two distributions, 0 to 1.",
    f"과거의 시간이 이 입력 하나에서만 최근 {RECENT_DAYS}일과 비슷했다면 손실이 얼마나 "
    "달라졌을지를 보여 줍니다. 회색 막대는 그전의 같은 길이 기간에서 나타난 가장 큰 변화입니다. "
    "D는 두 분포의 차이로 0에서 1 사이입니다.",
)


def draw_drift(
    symbol: str, horizon: int, holder: str, drifts: Sequence[InputDrift], *, caption: Caption
) -> Drawing:
    """Draw the inputs with the largest effects on the holder's loss, the largest at the top."""
    name = f"h{horizon}-drift"
    claim = of_title(symbol, horizon, _describe(holder, drifts))
    if not drifts:
        return Drawing(name, _HEADING, claim)
    shown = list(drifts[:SHOWN])
    figure = make_figure(claim.en, caption, height_in=1.5 + 0.27 * len(shown))
    axes = add_axes(figure)
    labels = [f"{one.name}  (D {one.distance:.2f})" for one in shown]
    if all(one.usual_frac is not None for one in shown):
        usual = [100 * (one.usual_frac or 0.0) for one in shown]
        axes.barh(
            labels, [2 * size for size in usual], left=[-size for size in usual], height=0.8,
            color=GRID, label="any earlier span",
        )  # fmt: skip
    axes.barh(
        labels, [100 * one.effect_frac for one in shown], height=0.45, color=COLOURS[0],
        label=f"last {RECENT_DAYS} days",
    )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.grid(axis="x", color=QUIET, linewidth=0.3)
    axes.set_xlabel(f"change of {holder}'s loss, percent")
    add_legend(axes)
    return Drawing(name, _HEADING, claim, figure, _READING)


def _describe(holder: str, drifts: Sequence[InputDrift]) -> Words:
    if not drifts:
        return Words(
            f"too few scored hours to tell whether inputs drift: it takes {RECENT_DAYS} days and "
            "as many before them",
            f"입력이 변하는지 말하기에는 채점된 시간이 부족합니다. {RECENT_DAYS}일과 그 이전의 "
            "기록이 더 필요합니다.",
        )
    first = drifts[0]
    more = "raises" if first.effect_frac >= 0 else "lowers"
    size = f"{abs(first.effect_frac):.1%}"
    way = "높입니다" if first.effect_frac >= 0 else "낮춥니다"
    if first.usual_frac is None:
        return Words(
            f"the move of {first.name} alone {more} {holder}'s loss by {size}, the largest effect; "
            "the history is too short to say what is usual",
            f"{first.name} 입력의 변화만으로 {holder} 모델의 손실을 {size} {way}. 영향이 가장 큰 "
            "입력이지만, 평소와 비교하기에는 기록이 짧습니다.",
        )
    if first.is_unusual:
        return Words(
            f"{first.name} has moved: alone it {more} {holder}'s loss by {size}, more than in any "
            "earlier span",
            f"{first.name} 입력이 변했습니다. 이 변화만으로 {holder} 모델의 손실을 {size} {way}. "
            "이전 어느 기간보다 큽니다.",
        )
    return Words(
        f"no input drifts beyond what is usual; the largest is {first.name}, which {more} "
        f"{holder}'s loss by {size}",
        f"평소를 넘어 변한 입력은 없습니다. 가장 큰 변화는 {first.name}이며, {holder} 모델의 "
        f"손실을 {size} {way}.",
    )
