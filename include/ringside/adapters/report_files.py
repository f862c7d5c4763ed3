"""Writes charts and pages as static files that need nothing from outside their folder."""

import re
import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from ringside.adapters.report_pages import LANGUAGES, SavedChart, render_page
from ringside.adapters.whole_files import place_whole, write_whole
from ringside.core.charts.canvas import DARK, Caption, Drawing
from ringside.core.reports import SeriesReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATEST = "latest"
INDEX = "index.html"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_COLOUR = re.compile("#[0-9a-f]{6}")
_NUMBERS = re.compile(r' (?:d|x|y)="[^"]*"')
_EXCESS = re.compile(r"(\.\d\d)\d+")


class ReportFolder:
    """The folder of one day's report; a second report of the day takes the place of the first."""

    def __init__(self, reports_dir: Path, caption: Caption) -> None:
        self._reports_dir = reports_dir
        self._caption = caption
        self._written: set[Path] = set()
        self.folder = reports_dir / caption.as_of.date().isoformat()

    def save_series(self, report: SeriesReport) -> list[Path]:
        """Save the charts of a series, then its page in each language; return the charts' paths.

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        drawings = [*report.drawings, *(one for title in report.titles for one in title.drawings)]
        paths = [self._save_chart(report.folder, drawing) for drawing in drawings]
        charts = {
            drawing.name: SavedChart.of(drawing)
            for drawing in drawings
            if drawing.figure is not None
        }
        for language in LANGUAGES:
            page = self.folder / report.folder / name_page(language)
            text = render_page(
                "series.html.j2", language, self._caption, report=report, charts=charts
            )
            self._write(page, text)
        return [path for path in paths if path is not None]

    def save_index(self, reports: Sequence[SeriesReport], *, keep_days: int) -> Path:
        """Save the index in each language, point `latest` to the newest day, drop old days.

        What an earlier report of this day has left is removed.

        Args:
            reports: All series, in the order of the page.
            keep_days: Days before the newest report whose reports stay.

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        for language in LANGUAGES:
            text = render_page("index.html.j2", language, self._caption, reports=reports)
            self._write(self.folder / name_page(language), text)
        self._drop_leftovers()
        days = find_days(self._reports_dir)
        latest = self._reports_dir / LATEST
        place_whole(latest, lambda draft: draft.symlink_to(days[-1], target_is_directory=True))
        self._prune(days, keep_days)
        return self.folder / INDEX

    def _save_chart(self, folder: str, drawing: Drawing) -> Path | None:
        """Save `<folder>/<name>.svg`, and the same in the colours of a dark page."""
        if drawing.figure is None:
            return None
        light = draw_svg(drawing.figure)
        path = self.folder / folder / f"{drawing.name}.svg"
        self._write(path, light)
        dark = _COLOUR.sub(lambda found: DARK.get(found[0], found[0]), light)
        self._write(path.with_suffix(".dark.svg"), dark)
        return path

    def _write(self, path: Path, text: str) -> None:
        write_whole(path, text)
        self._written.add(path)

    def _drop_leftovers(self) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self._written:
                path.unlink()

    def _prune(self, days: Sequence[str], keep_days: int) -> None:
        oldest = date.fromisoformat(days[-1]) - timedelta(days=keep_days)
        for day in days:
            if date.fromisoformat(day) < oldest and day != self.folder.name:
                shutil.rmtree(self._reports_dir / day)


def name_page(language: str) -> str:
    """Name the page of a folder in one language.

    Examples:
        >>> name_page("en"), name_page("ko")
        ('index.html', 'index.ko.html')
    """
    return INDEX if language == LANGUAGES[0] else f"index.{language}.html"


def find_days(reports_dir: Path) -> list[str]:
    """Find the days that have a report, oldest first; folders of other names are none."""
    if not reports_dir.is_dir():
        return []
    names = (path.name for path in reports_dir.iterdir() if (path / INDEX).is_file())
    return sorted(name for name in names if _is_day(name))


def draw_svg(figure: "Figure") -> str:
    """Draw a figure as SVG, letters as letters; the same figure gives the same text.

    A hundredth of a point is as fine as any screen; more digits would double the page.
    """
    from matplotlib import rc_context

    sink = StringIO()
    with rc_context({"svg.hashsalt": "ringside", "svg.fonttype": "none"}):
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return _NUMBERS.sub(lambda found: _EXCESS.sub(r"\1", found[0]), sink.getvalue())


def _is_day(name: str) -> bool:
    if not _DAY.fullmatch(name):
        return False
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True
