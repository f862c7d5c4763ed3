"""The chart of how much loss each contestant has saved against persistence, summed up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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
from ringside.core.scorecards import Track, find_shared_losses
from ringside.core.words import Words, of_title

YARDSTICK = "persistence"
_HEADING = Words("Loss saved against the last price", "마지막 가격 모델보다 줄인 손실")
_READING = Words(
    "A line that climbs forecasts better than persistence, one that falls does worse. Each line "
    "counts the hours that the contestant and persistence both forecast.",
    "선이 올라가면 마지막 가격 모델(persistence)보다 잘 예측한 것이고, 내려가면 못한 것입니다. 두 "
    "모델이 함께 예측한 시간만 계산했습니다.",
)
_DAY = np.timedelta64(1, "D")


def draw_gains(
    symbol: str, horizon: int, tracks: Mapping[str, Track], *, caption: Caption
) -> Drawing:
    """Draw the loss saved against persistence by the end of each day of outcomes, summed."""
    name = f"h{horizon}-gains"
    lines = find_gains(tracks, horizon)
    claim = of_title(symbol, horizon, _describe_leader(tracks, lines))
    if not lines:
        return Drawing(name, _HEADING, claim)
    figure = make_figure(claim.en, caption)
    axes = add_axes(figure)
    axes.axhline(0, color=INK, linewidth=0.8)
    for contestant, (times, saved) in lines.items():
        times, saved = break_at_gaps(times, saved, step=_DAY)
        axes.plot(
            to_days(times), saved, linewidth=1.5, label=contestant,
            marker=find_marker(len(times)), markersize=2,
            **style_contestant(contestant),
        )  # fmt: skip
    axes.set_ylabel("sum of scaled pinball losses saved (unitless)")
    add_legend(axes)
    set_utc_axis(axes, "hour of the outcome, UTC")
    return Drawing(name, _HEADING, claim, figure, _READING)


def find_gains(tracks: Mapping[str, Track], horizon: int) -> dict[str, tuple[Times, Floats]]:
    """Sum what each contestant saved, up to the last outcome of each UTC day.

    Returns:
        Times of outcomes and sums by contestant, persistence and those sharing no hour left out.
    """
    base = tracks.get(YARDSTICK)
    found: dict[str, tuple[Times, Floats]] = {}
    for name in sorted(tracks):
        if base is None or name == YARDSTICK:
            continue
        hours, loss, naive = find_shared_losses(tracks[name], base)
        if len(hours) == 0:
            continue
        known_at = hours + horizon * HOUR
        day = (known_at - HOUR).astype("datetime64[D]")
        is_last = np.append(np.diff(day) > np.timedelta64(0, "D"), True)
        found[name] = known_at[is_last], np.cumsum(naive - loss)[is_last]
    return found


def _describe_leader(
    tracks: Mapping[str, Track], lines: Mapping[str, tuple[Times, Floats]]
) -> Words:
    """State who has the most skill, and on how many hours."""
    if YARDSTICK not in tracks:
        return Words(
            "no forecast of persistence has been scored yet, so nothing can be compared",
            "마지막 가격 모델의 채점된 예측이 아직 없어 비교할 수 없습니다.",
        )
    if not lines:
        return Words(
            f"no contestant shares a scored hour with {YARDSTICK} yet",
            "마지막 가격 모델과 함께 채점된 모델이 아직 없습니다.",
        )
    skills = {}
    for name in lines:
        hours, loss, naive = find_shared_losses(tracks[name], tracks[YARDSTICK])
        total = float(naive.sum())
        skills[name] = (1 - float(loss.sum()) / total if total > 0 else 0.0, len(hours))
    most = max(hours for _, hours in skills.values())
    # a newcomer with a lucky day does not lead
    seasoned = {name: one for name, one in skills.items() if one[1] >= most / 2}
    leader = min(seasoned, key=lambda name: (-seasoned[name][0], name))
    gain, count = seasoned[leader]
    if gain <= 0:
        return Words(
            f"nobody has a lower loss than {YARDSTICK} over {count:,} shared hours",
            f"{count:,}시간 동안 마지막 가격 모델보다 손실이 낮은 모델이 없습니다.",
        )
    return Words(
        f"{leader} leads, {gain:.1%} less loss than {YARDSTICK} over {count:,} shared hours",
        f"{leader} 모델이 앞섭니다. {count:,}시간 동안 마지막 가격 모델보다 손실이 "
        f"{gain:.1%} 낮습니다.",
    )
