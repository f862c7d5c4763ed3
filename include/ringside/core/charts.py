"""Static charts of a title: numbers in, matplotlib figures out; saving is done elsewhere.

Forecasts are drawn where they belong: at the hour they speak about, not at the hour they were
issued. All axes are in UTC. matplotlib is imported when a chart is drawn, never before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import HOUR, Candles, Floats, Times, to_datetime64
from ringside.core.verdicts import Reign, ScoredHours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND_90, BAND_50, INK, MISSED, NOW = "#cfe0f3", "#8fb8e0", "#1f2933", "#c2410c", "#9aa5b1"
COLOURS = ("#2563a8", "#b45309", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f")
YARDSTICK = "persistence"


@dataclass(frozen=True)
class TitleForecasts:
    """Forecasts made in a title's name, one per `as_of`, sorted; all columns of length n.

    Times are `datetime64[s]` in UTC. `quantiles` are log returns from `anchor_close` at the levels
    0.05, 0.25, 0.5, 0.75 and 0.95, shape (n, 5). `realised_return` is NaN until the target hour
    is over and scored.
    """

    symbol: str
    horizon: int
    as_of: Times
    target_time: Times
    contestant: Sequence[str]
    is_live: NDArray[np.bool_]
    anchor_close: Floats
    quantiles: Floats
    realised_return: Floats

    def __len__(self) -> int:
        return len(self.as_of)

    @property
    def prices(self) -> Floats:
        """The quantiles as prices in the quote currency, shape (n, 5)."""
        prices: Floats = self.anchor_close[:, None] * np.exp(self.quantiles)
        return prices


@dataclass(frozen=True)
class Score:
    """How one contestant did on the hours all contestants share.

    Losses and widths are in units of the hour's sigma, `abs_error` is a log return of the median,
    `inside_*_frac` the share of outcomes inside the 50 % and 90 % bands.
    """

    contestant: str
    hours: int
    live_hours: int
    scaled_loss: float
    abs_error: float
    inside_50_frac: float
    inside_90_frac: float
    width_50: float
    width_90: float


@dataclass(frozen=True)
class Caption:
    """What stands below every chart: the instant it shows, and where its candles come from."""

    as_of: datetime
    source: str

    def __str__(self) -> str:
        return f"as of {self.as_of:%Y-%m-%d %H:%M} UTC · source: {self.source}"


def render_forecasts(
    forecasts: TitleForecasts, candles: Candles, reigns: Sequence[Reign], *, caption: Caption
) -> Figure:
    """Draw the 50 % and 90 % bands over the hours they forecast, what came true, and who held.

    Args:
        forecasts: At least one forecast.
        candles: Closed candles of the same symbol; each price stands at its close time.
        reigns: Reigns of the title, oldest first.
        caption: Goes into the footer.

    Raises:
        ValueError: there is no forecast to draw.
    """
    if len(forecasts) == 0:
        raise ValueError("there is no forecast to draw")
    figure = _make_figure(describe_coverage(forecasts), caption)
    grid = figure.add_gridspec(2, 1, height_ratios=(14, 1), hspace=0.06)
    axes, strip = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    _draw_bands(axes, forecasts)
    times, closes = _break_at_gaps(candles.close_time, candles.close)
    axes.plot(
        _to_days(times), closes, color=INK, linewidth=1.1, marker=".", markersize=2, label="close"
    )
    missed = find_missed(forecasts)
    outcome = forecasts.anchor_close * np.exp(forecasts.realised_return)
    if missed.any():
        hours = _to_days(forecasts.target_time[missed])
        axes.plot(hours, outcome[missed], "o", color=MISSED, markersize=4, label="missed")
    axes.axvline(_to_days(to_datetime64(caption.as_of)), color=NOW, linewidth=1, linestyle="--")
    axes.set_ylabel(f"price of {forecasts.symbol}, {forecasts.symbol.rsplit('/')[-1]}")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", frameon=False, ncols=4, fontsize=8)
    axes.use_sticky_edges = False  # the lowest band would stand on the axis
    axes.margins(y=0.12)
    _draw_holders(strip, forecasts, reigns)
    strip.set_xlim(axes.get_xlim())
    _set_utc_axis(strip, "target hour, UTC")
    return figure


def _draw_bands(axes: Axes, forecasts: TitleForecasts) -> None:
    """Draw each forecast's bands over the hour it speaks of, not the hour it was made in."""
    prices = forecasts.prices
    for low, high, colour, name in ((0, 4, BAND_90, "90 % band"), (1, 3, BAND_50, "50 % band")):
        axes.bar(
            _to_days(forecasts.target_time),
            prices[:, high] - prices[:, low],
            bottom=prices[:, low],
            width=1 / 24,
            color=colour,
            linewidth=0,
            antialiased=False,
            label=name,
        )


def describe_coverage(forecasts: TitleForecasts) -> str:
    """State how many outcomes fell inside the 90 % band; the title of the forecast chart."""
    known = np.isfinite(forecasts.realised_return)
    name = describe_title(forecasts.symbol, forecasts.horizon)
    if not known.any():
        return f"{name}: no outcome of these forecasts is known yet"
    inside = int(known.sum() - find_missed(forecasts).sum())
    return f"{name}: {inside} of {known.sum()} outcomes fell inside the 90 % band"


def find_missed(forecasts: TitleForecasts) -> NDArray[np.bool_]:
    """Tell the forecasts whose known outcome lies outside the 90 % band, shape (n,)."""
    outcome, quantiles = forecasts.realised_return, forecasts.quantiles
    missed: NDArray[np.bool_] = (outcome < quantiles[:, 0]) | (outcome > quantiles[:, 4])
    return missed


def render_gains(
    symbol: str, horizon: int, scored: Mapping[str, ScoredHours], *, caption: Caption
) -> Figure:
    """Draw how much loss each contestant has saved against persistence, hour by hour, summed.

    Only the hours count that all contestants share; each stands at the hour its outcome was known.

    Raises:
        ValueError: persistence is missing, or the contestants share no hour.
    """
    as_of, losses = find_shared_losses(scored)
    if YARDSTICK not in losses or len(as_of) == 0:
        raise ValueError(f"no hour is shared with {YARDSTICK}")
    figure = _make_figure(describe_leader(symbol, horizon, losses), caption)
    axes = figure.add_subplot()
    known_at = as_of + horizon * HOUR
    for place, name in enumerate(sorted(losses)):
        times, saved = _break_at_gaps(known_at, np.cumsum(losses[YARDSTICK] - losses[name]))
        axes.plot(
            _to_days(times),
            saved,
            color=_colour(place),
            linewidth=1.4,
            marker=".",
            markersize=2,
            label=name,
        )
    axes.set_ylabel("loss saved against persistence,\nsum of scaled pinball losses (unitless)")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    _set_utc_axis(axes, "hour of the outcome, UTC")
    return figure


def find_shared_losses(scored: Mapping[str, ScoredHours]) -> tuple[Times, dict[str, Floats]]:
    """Cut every contestant's losses to the hours that all of them have, in the same order."""
    if not scored:
        return np.array([], "datetime64[s]"), {}
    hours = [one.as_of for one in scored.values()]
    shared = hours[0]
    for other in hours[1:]:
        shared = np.intersect1d(shared, other, assume_unique=True)
    return shared, {name: one.loss[np.isin(one.as_of, shared)] for name, one in scored.items()}


def describe_leader(symbol: str, horizon: int, losses: Mapping[str, Floats]) -> str:
    """State who has the lowest loss and by how much; the title of the chart of gains."""
    name = describe_title(symbol, horizon)
    naive = float(losses[YARDSTICK].mean())
    leader = min(losses, key=lambda contestant: (float(losses[contestant].mean()), contestant))
    hours = f"{len(losses[YARDSTICK]):,} shared hours"
    if float(losses[leader].mean()) >= naive:
        return f"{name}: nobody has a lower loss than {YARDSTICK} over {hours}"
    gain = 1 - float(losses[leader].mean()) / naive
    return f"{name}: {leader} leads, {gain:.1%} less loss than {YARDSTICK} over {hours}"


def describe_title(symbol: str, horizon: int) -> str:
    """Name a title the way charts and pages do."""
    return f"{symbol}, {horizon} hour{'' if horizon == 1 else 's'} ahead"


def _make_figure(title: str, caption: Caption) -> Figure:
    """Make an empty figure on the Agg backend; pyplot and its global state stay out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.09, right=0.98, top=0.9, bottom=0.17)
    figure.suptitle(title, x=0.09, ha="left", fontsize=11, fontweight="bold", color=INK)
    figure.text(0.09, 0.015, str(caption), ha="left", fontsize=8, color="#52606d")
    return figure


def _set_utc_axis(axes: Axes, label: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz="UTC")
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))
    axes.set_xlabel(label)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_holders(strip: Axes, forecasts: TitleForecasts, reigns: Sequence[Reign]) -> None:
    """Colour every target hour by the contestant that forecast it; replayed hours are hatched."""
    names = sorted(set(forecasts.contestant))
    for place, name in enumerate(names):
        is_theirs = np.array([contestant == name for contestant in forecasts.contestant])
        for is_live, hatch in ((True, None), (False, "////")):
            hours = forecasts.target_time[is_theirs & (forecasts.is_live == is_live)]
            if len(hours) == 0:
                continue
            strip.bar(
                _to_days(hours),
                1,
                width=1 / 24,
                color=_colour(place) if is_live else "white",
                edgecolor=_colour(place),
                hatch=hatch,
                linewidth=0,
                label=name if is_live else f"{name}, replayed",
            )
    for reign in reigns:
        strip.axvline(_to_days(to_datetime64(reign.held_from)), color=INK, linewidth=1)
    strip.set_yticks([])
    strip.set_ylim(0, 1)
    strip.set_ylabel("by", rotation=0, ha="right", va="center", fontsize=8)
    strip.legend(loc="upper left", bbox_to_anchor=(0, -1.1), frameon=False, ncols=4, fontsize=8)


def _break_at_gaps(times: Times, values: Floats) -> tuple[Times, Floats]:
    """Put a NaN behind every hour whose next one is missing, so that no line bridges the gap."""
    gaps = np.flatnonzero(np.diff(times) > HOUR) + 1
    return np.insert(times, gaps, times[gaps - 1] + HOUR), np.insert(values, gaps, np.nan)


def _to_days(times: Times | np.datetime64) -> Any:  # noqa: ANN401 - a float for one instant, an array for many
    """Turn instants into matplotlib's days since 1970, the unit of every x-axis here."""
    from matplotlib.dates import date2num

    return date2num(times)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
