"""What all charts share: colours for light and dark, the frame, the axis of time."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ringside.core.candles import HOUR, Floats, Times
from ringside.core.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER, INK, QUIET, GRID = "#ffffff", "#1f2933", "#5f6c7b", "#e4e7ea"
BAND_90, BAND_50, MISSED = "#cfe0f3", "#8fb8e0", "#c2410c"
COLOURS = ("#2563a8", "#b45309", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f")
DARK = {
    PAPER: "#15191e", INK: "#e4e7eb", QUIET: "#9aa5b1", GRID: "#2b333c",
    BAND_90: "#1d3550", BAND_50: "#33659b", MISSED: "#fb923c",
    "#2563a8": "#60a5fa", "#b45309": "#fbbf24", "#0f766e": "#2dd4bf",
    "#7c3aed": "#b39dfb", "#be185d": "#f472b6", "#4d7c0f": "#a3e635",
}  # fmt: skip
"""Each colour of a chart and the one that takes its place on a dark page."""

_STYLES = {"xgboost": 0, "persistence": 1, "persistence_ewma": 2, "linear": 3}
_DASHES = ("-", "--", "-.", ":", "-", "--")
_FEW_POINTS = 60
_WIDTH_IN, _TITLE_CHARACTERS = 5.2, 56  # readable on a phone, not huge on a desk


@dataclass(frozen=True)
class Caption:
    """What stands below every chart: the instant it shows, and where its candles come from."""

    as_of: datetime
    source: str

    def __str__(self) -> str:
        return f"as of {self.as_of:%Y-%m-%d %H:%M} UTC · source: {self.source}"


@dataclass(frozen=True)
class Drawing:
    """A chart and what it claims; without a `figure`, `claim` says why there is none.

    `name` becomes the file's name, `reading` tells how the chart is to be read.
    """

    name: str
    heading: Words
    claim: Words
    figure: Figure | None = None
    reading: Words | None = None


def style_contestant(name: str) -> dict[str, Any]:
    """Give colour and dashes of a contestant, the same in every chart."""
    place = _STYLES.get(name, len(_STYLES) + sum(name.encode()) % 2)
    return {"color": COLOURS[place], "linestyle": _DASHES[place]}


def make_figure(claim: str, caption: Caption, *, height_in: float = 3.6) -> Figure:
    """Make an empty figure under its claim; pyplot and its global state stay out."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained", facecolor=PAPER)
    FigureCanvasSVG(figure)
    figure.suptitle(
        textwrap.fill(claim, _TITLE_CHARACTERS, break_long_words=False),
        x=0.012, ha="left", fontsize=9.5, fontweight="bold", color=INK, parse_math=False,
    )  # fmt: skip
    footer = textwrap.fill(str(caption), 84)
    figure.supxlabel(footer, x=0.012, ha="left", fontsize=7, color=QUIET, parse_math=False)
    return figure


def add_axes(figure: Figure, place: Any = None, **options: Any) -> Axes:  # noqa: ANN401 - matplotlib's own
    """Add axes in the colours of the house: two spines, a quiet grid across."""
    axes: Axes = figure.add_subplot(*([] if place is None else [place]), **options)
    axes.set_facecolor(PAPER)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set(color=INK, fontsize=8)
    for side, spine in axes.spines.items():
        spine.set(color=QUIET, visible=side in ("left", "bottom"))
    return axes


def add_legend(axes: Axes, **options: Any) -> None:  # noqa: ANN401 - matplotlib's own
    """Add a legend without a frame, above the axes unless told otherwise."""
    options = {
        "loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3, "borderaxespad": 0.2,
        "handlelength": 1.8, "columnspacing": 1.2,
    } | options  # fmt: skip
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, **options)


def set_utc_axis(axes: Axes, label: str) -> None:
    """Make the x-axis one of time in UTC."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC", minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))
    axes.xaxis.get_offset_text().set(color=INK, fontsize=8)
    axes.set_xlabel(label)


def find_marker(count: int) -> str:
    """Choose the mark of each point: dots where points are few, so that a single one is seen."""
    return "." if count <= _FEW_POINTS else ""


def to_days(times: Times | np.datetime64) -> Any:  # noqa: ANN401 - a float for one instant, an array for many
    """Turn instants into matplotlib's days since 1970, the unit of every axis of time."""
    from matplotlib.dates import date2num

    return date2num(times)


def break_at_gaps(
    times: Times, values: Floats, *, step: np.timedelta64 = HOUR
) -> tuple[Times, Floats]:
    """Put a NaN behind every instant whose next is missing, so that no line bridges the gap."""
    gaps = np.flatnonzero(np.diff(times) > step) + 1
    return np.insert(times, gaps, times[gaps - 1] + step), np.insert(values, gaps, np.nan)
