"""The chart of whether outcomes fall below each quantile as often as it says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ringside.core.candles import Floats
from ringside.core.charts.canvas import (
    INK,
    Caption,
    Drawing,
    add_axes,
    add_legend,
    make_figure,
    style_contestant,
)
from ringside.core.quantiles import LEVELS
from ringside.core.scorecards import Track
from ringside.core.words import Words, of_title

_HEADING = Words("Reliability of the quantiles", "분위수의 신뢰도")
_READING = Words(
    "At zero a quantile keeps its word. Above zero it holds more outcomes than it promised (too "
    "high), below zero fewer (too low).",
    "0에 있으면 분위수가 약속을 지킨 것입니다. 0보다 위면 약속보다 많은 결과가 그 아래에 들었고"
    "(너무 높음), 아래면 적게 들었습니다(너무 낮음).",
)


def draw_reliability(
    symbol: str, horizon: int, holder: str, tracks: Mapping[str, Track], *, caption: Caption
) -> Drawing:
    """Draw the share of outcomes at or below each quantile, less its level, in points."""
    name = f"h{horizon}-reliability"
    claim = of_title(symbol, horizon, _describe(holder, tracks))
    if not tracks:
        return Drawing(name, _HEADING, claim)
    figure = make_figure(claim.en, caption)
    axes = add_axes(figure)
    axes.axhline(0, color=INK, linewidth=0.8)
    places = np.arange(len(LEVELS))
    width = 0.8 / len(tracks)
    for number, contestant in enumerate(sorted(tracks)):
        axes.bar(
            places + width * (number - (len(tracks) - 1) / 2),
            100 * find_deviations(tracks[contestant]),
            width=0.9 * width, color=style_contestant(contestant)["color"], label=contestant,
        )  # fmt: skip
    axes.set_xticks(places, [f"{level:.0%}" for level in LEVELS])
    axes.set_xlabel("level of the quantile")
    axes.set_ylabel("outcomes at or below it, less the level, points")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -2), max(high, 2))
    add_legend(axes)
    return Drawing(name, _HEADING, claim, figure, _READING)


def find_deviations(track: Track) -> Floats:
    """Find by how much the share of outcomes at or below each quantile is above its level, (5,)."""
    held = (track.below[:, None] <= np.arange(len(LEVELS))).mean(axis=0)
    deviations: Floats = held - np.array(LEVELS)
    return deviations


def _describe(holder: str, tracks: Mapping[str, Track]) -> Words:
    if not tracks:
        return Words(
            "no forecast has been scored yet, so no quantile can be checked",
            "채점된 예측이 아직 없어 분위수를 확인할 수 없습니다.",
        )
    name = holder if holder in tracks else sorted(tracks)[0]
    worst = 100 * float(np.abs(find_deviations(tracks[name])).max())
    count = len(tracks[name])
    return Words(
        f"{name}'s quantiles are off by at most {worst:.1f} points over {count:,} outcomes",
        f"{name} 모델의 분위수는 결과 {count:,}개에서 약속과 많아야 {worst:.1f}포인트 차이 납니다.",
    )
