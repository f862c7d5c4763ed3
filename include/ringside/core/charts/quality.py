"""The chart of hours without a candle and of rows in quarantine."""

from __future__ import annotations

import numpy as np

from ringside.core.candles import Times, to_datetime64
from ringside.core.charts.canvas import (
    COLOURS,
    MISSED,
    Caption,
    Drawing,
    add_axes,
    make_figure,
    set_utc_axis,
    to_days,
)
from ringside.core.data_quality import Quality
from ringside.core.words import Words

_HEADING = Words("Gaps and quarantine", "빈 시간과 격리된 행")
_READING = Words(
    "Per week: hours between the first and the last candle that have none, and rows that the audit "
    "refused to publish.",
    "주별로 첫 캔들과 마지막 캔들 사이에서 비어 있는 시간과, 감사에서 공개하지 않은 행의 수입니다.",
)
_WEEK = np.timedelta64(7, "D")


def draw_quality(symbol: str, quality: Quality, *, caption: Caption) -> Drawing:
    """Draw both counts by week; in words only where there is nothing to count."""
    missing = quality.missing
    claim = _describe(symbol, quality, missing)
    if len(missing) + len(quality.quarantined) == 0:
        return Drawing("quality", _HEADING, claim)
    figure = make_figure(claim.en, caption, height_in=3.2)
    instants = np.concatenate([quality.open_time[:1], missing, quality.quarantined])
    start, end = instants.min(), to_datetime64(quality.as_of)
    panels = [
        (found, label, colour)
        for found, label, colour in (
            (missing, "hours\nmissing", COLOURS[0]),
            (quality.quarantined, "rows in\nquarantine", MISSED),
        )
        if len(found)
    ]
    grid = figure.add_gridspec(len(panels), 1)
    axes = None
    for place, (found, label, colour) in enumerate(panels):
        axes = add_axes(figure, grid[place], sharex=axes)
        weeks, counts = count_by_week(found, start, end)
        axes.bar(to_days(weeks), counts, width=6.4, align="edge", color=colour)
        axes.set_ylabel(label)
        axes.set_ylim(0, max(int(counts.max()) * 1.1, 1))
        axes.locator_params(axis="y", integer=True, nbins=4)
        axes.tick_params(labelbottom=place == len(panels) - 1)
        set_utc_axis(axes, "week, UTC" if place == len(panels) - 1 else "")
    return Drawing("quality", _HEADING, claim, figure, _READING)


def count_by_week(
    instants: Times, start: np.datetime64, end: np.datetime64
) -> tuple[Times, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Count instants in the weeks from `start` on that cover `end`; starts of weeks and counts."""
    number = int((end - start) // _WEEK) + 1
    counts = np.bincount(((instants - start) // _WEEK).astype(np.int64), minlength=number)
    return start + np.arange(len(counts)) * _WEEK, counts


def _describe(symbol: str, quality: Quality, missing: Times) -> Words:
    age = quality.newest_age_hours
    if age is None:
        return Words(
            f"{symbol}: no candle has been published yet; the DAG ingest_candles loads them",
            f"{symbol}: 공개된 캔들이 아직 없습니다. DAG ingest_candles가 캔들을 가져옵니다.",
        )
    count, refused = len(quality.open_time), len(quality.quarantined)
    if len(missing) + refused == 0:
        return Words(
            f"{symbol}: no hour is missing among {_plural(count, 'candle')}, and no row is in "
            "quarantine",
            f"{symbol}: 캔들 {count:,}개 사이에 빈 시간이 없고, 격리된 행도 없습니다.",
        )
    return Words(
        f"{symbol}: {_plural(len(missing), 'hour')} missing among {_plural(count, 'candle')}, "
        f"{_plural(refused, 'row')} in quarantine",
        f"{symbol}: 캔들 {count:,}개 사이에 빈 시간이 {len(missing):,}시간, 격리된 행이 "
        f"{refused:,}개 있습니다.",
    )


def _plural(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
