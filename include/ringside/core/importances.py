"""The chart of what a model's forecasts rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR, _INK = "#2563a8", "#1f2933"


def render_importances(importances: Mapping[str, float], *, name: str, footer: str) -> Figure:
    """Draw by how much the loss grows when a column is shuffled, the largest at the top.

    Args:
        importances: Share of the loss by column; a negative one helps when it is shuffled.
        name: Whose they are, for the title.
        footer: Where the rows come from, and as of when.
    """
    from matplotlib.figure import Figure

    ordered = sorted(importances.items(), key=lambda item: item[1])
    best = ordered[-1][0] if ordered else "no column"
    figure = Figure(figsize=(8, 1.6 + 0.24 * len(ordered)), layout="constrained")
    figure.suptitle(f"{name} rests most on {best}", color=_INK)
    axes = figure.add_subplot()
    axes.barh([column for column, _ in ordered], [100 * share for _, share in ordered], color=_BAR)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_xlabel("growth of the out-of-sample loss when the column is shuffled, in percent")
    figure.text(0.01, 0.005, footer, fontsize=7, color=_INK)
    return figure
