"""The chart of what a model's forecasts rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ringside.core.charts.canvas import COLOURS, INK, Caption, add_axes, make_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render_importances(importances: Mapping[str, float], *, name: str, caption: Caption) -> Figure:
    """Draw by how much the loss grows when a column is shuffled, the largest at the top.

    Args:
        importances: Share of the loss by column; a negative one helps when it is shuffled.
        name: Whose they are, for the title.
        caption: Where the rows come from, and as of when.
    """
    ordered = sorted(importances.items(), key=lambda item: item[1])
    best = ordered[-1][0] if ordered else "no column"
    figure = make_figure(
        f"{name} rests most on {best}", caption, height_in=1.6 + 0.22 * len(ordered)
    )
    axes = add_axes(figure)
    axes.barh(
        [column for column, _ in ordered], [100 * share for _, share in ordered], color=COLOURS[0]
    )
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(visible=False)
    axes.set_xlabel("growth of the out-of-sample loss when the column is shuffled, percent")
    return figure
