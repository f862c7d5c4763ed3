"""The chart of the running test: evidence for each rival, its threshold and the pace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ringside.core.charts.canvas import (
    INK,
    QUIET,
    Caption,
    Drawing,
    add_axes,
    add_legend,
    find_marker,
    make_figure,
    set_utc_axis,
    style_contestant,
    to_days,
)
from ringside.core.evidence_curves import EvidenceCurve
from ringside.core.words import Words, of_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADING = Words("Evidence of the running test", "진행 중인 검정의 증거")
_READING = Words(
    "The money of a gambler who began with 1 and bets on the rival each day. Only at the threshold "
    "does the title move: if the rival were no better, that height would hardly ever be reached. "
    "The dotted line goes on at the present pace.",
    "1로 시작해 매일 도전자에게 거는 사람의 돈입니다. 기준선에 닿아야 챔피언이 바뀝니다. 도전자가 "
    "더 낫지 않다면 그 높이에 이르는 일은 거의 없습니다. 점선은 지금 속도로 이어질 때의 "
    "모습입니다.",
)
_LOWEST, _PACE_SHOWN_WEEKS = 1e-3, 26.0


def draw_evidence(
    symbol: str,
    horizon: int,
    champion: str,
    curves: Sequence[EvidenceCurve],
    *,
    caption: Caption,
) -> Drawing:
    """Draw the evidence against the champion, on a logarithmic axis.

    Args:
        symbol: Whose title.
        horizon: Candles ahead.
        champion: Who holds the title; empty when nobody does.
        curves: The deciding rival first; may be empty.
        caption: Goes into the footer.
    """
    name = f"h{horizon}-evidence"
    claim = of_title(symbol, horizon, _describe(champion, curves))
    if not curves:
        return Drawing(name, _HEADING, claim)
    figure = make_figure(claim.en, caption)
    axes = add_axes(figure)
    axes.set_yscale("log")
    for curve in curves:
        style = style_contestant(curve.rival)
        axes.plot(
            to_days(curve.times), np.maximum(curve.evidence, _LOWEST), linewidth=1.5,
            marker=find_marker(len(curve.times)), markersize=3, label=curve.rival, **style,
        )  # fmt: skip
    _draw_threshold(axes, curves[0])
    axes.axhline(1, color=INK, linewidth=0.8)
    axes.set_ylabel(f"evidence against {champion} (began with 1)")
    axes.yaxis.set_major_formatter("{x:g}")
    add_legend(axes)
    set_utc_axis(axes, "end of the day that was bet on, UTC")
    return Drawing(name, _HEADING, claim, figure, _READING)


def _draw_threshold(axes: Axes, leading: EvidenceCurve) -> None:
    """Draw what the deciding rival must reach, and its way there at the present pace."""
    axes.axhline(
        leading.threshold, color=QUIET, linewidth=1.2, linestyle="--",
        label=f"{leading.rival} needs {leading.threshold:g}",
    )  # fmt: skip
    if leading.weeks_more is None or leading.weeks_more > _PACE_SHOWN_WEEKS:
        return
    last = to_days(leading.times[-1])
    axes.plot(
        [last, last + 7 * leading.weeks_more],
        [max(float(leading.evidence[-1]), _LOWEST), leading.threshold],
        linestyle=":", color=style_contestant(leading.rival)["color"], label="pace",
    )  # fmt: skip


def _describe(champion: str, curves: Sequence[EvidenceCurve]) -> Words:
    if not champion:
        return Words(
            "nobody holds this title yet, so there is nothing to test",
            "아직 챔피언이 없어 검정할 것이 없습니다.",
        )
    if not curves:
        return Words(
            f"no bet against {champion} has been placed yet; a bet takes whole days that both "
            "contestants have forecast",
            f"{champion} 모델에 맞서 건 돈이 아직 없습니다. 두 모델이 함께 예측한 온전한 날이 "
            "있어야 합니다.",
        )
    leading = curves[0]
    now, goal = float(leading.evidence[-1]), leading.threshold
    if now >= goal:
        return Words(
            f"{leading.rival} has reached evidence {_number(now)}, above the {goal:g} it takes",
            f"{leading.rival} 모델의 증거가 {_number(now)}로 기준 {goal:g}을 넘었습니다.",
        )
    english, korean = "no pace can be named", "아직 속도를 말할 수 없습니다."
    if leading.weeks_more is not None:
        weeks = max(round(leading.weeks_more), 1)
        english = f"about {weeks} more week{'s' if weeks > 1 else ''} at this pace"
        korean = f"이 속도라면 약 {weeks}주가 더 걸립니다."
    return Words(
        f"{leading.rival} has evidence {_number(now)} of {goal:g}; {english}",
        f"{leading.rival} 모델의 증거는 기준 {goal:g} 가운데 {_number(now)}입니다. {korean}",
    )


def _number(evidence: float) -> str:
    """Write a wealth with the digits that tell something.

    Examples:
        >>> [_number(value) for value in (0.004, 3.44, 23.4, 2.1e9)]
        ['0.004', '3.4', '23', '2.1e+09']
    """
    return f"{evidence:,.0f}" if 10 <= evidence < 1e6 else f"{evidence:.2g}"
