"""Writes charts and the report page as static files that need nothing from outside their folder."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ringside.adapters.whole_files import place_whole, write_whole
from ringside.core.charts import Caption, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATEST = "latest"
_COLUMNS = (
    "contestant", "hours", "of them live", "scaled pinball loss", "against persistence",
    "inside 50 % band", "inside 90 % band", "width of 90 % band", "mean absolute error",
)  # fmt: skip
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
img { width: 100%; height: auto; background: #fff; border-radius: .4rem; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .8rem .3rem 0; vertical-align: bottom;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
th:first-child, td:first-child { text-align: left; }
section { margin-top: 3rem; }
footer, .source { opacity: .75; font-size: .9rem; }
""".strip()


@dataclass(frozen=True)
class Chart:
    """A saved chart: its address relative to the page, and its claim for those who hear it."""

    address: str
    claim: str


@dataclass(frozen=True)
class TitleReport:
    """What the page says about one title; `notes` say in words what cannot be shown yet."""

    name: str
    holder: str
    verdict_en: str = ""
    verdict_ko: str = ""
    charts: Sequence[Chart] = ()
    scores: Sequence[Score] = ()
    notes: Sequence[str] = ()


class ReportFolder:
    """The folder of one day's report; a second report of the day takes the place of the first."""

    def __init__(self, reports_dir: Path, as_of: datetime) -> None:
        self._reports_dir = reports_dir
        self.folder = reports_dir / as_of.date().isoformat()

    def save_chart(self, figure: "Figure", symbol: str, name: str) -> Chart:
        """Save a figure as `<symbol>/<name>.png`.

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        address = f"{symbol.replace('/', '')}/{name}.png"
        place_whole(self.folder / address, lambda draft: figure.savefig(draft, format="png"))
        return Chart(address, figure.get_suptitle())

    def save_page(self, reports: Sequence[TitleReport], *, caption: Caption) -> Path:
        """Save `index.html`, then let `latest` point to the newest day and return the page.

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        page = self.folder / "index.html"
        text = render_page(reports, caption=caption)
        write_whole(page, text)
        days = [path.name for path in self._reports_dir.iterdir() if _is_day(path)]
        latest = self._reports_dir / LATEST
        place_whole(latest, lambda draft: draft.symlink_to(max(days), target_is_directory=True))
        return page


def render_page(reports: Sequence[TitleReport], *, caption: Caption) -> str:
    """Render the page of one report; it names only files of its own folder."""
    body = "\n".join(map(_render_title, reports)) or "<p>No series is configured.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Ringside {caption.as_of:%Y-%m-%d}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>Ringside</h1><p class="source">{html.escape(str(caption))}</p>\n{body}\n'
        "<footer><p>All times are UTC. Loss, gain and width are in units of the hour's expected"
        " volatility; lower loss is better. The table counts only the hours that every contestant"
        " forecast without knowing the outcome.</p></footer>\n</body></html>\n"
    )


def _render_title(report: TitleReport) -> str:
    parts = [f"<section><h2>{html.escape(report.name)}</h2>", _paragraph(report.holder)]
    parts += [_paragraph(note) for note in report.notes]
    parts += [
        f'<img src="{html.escape(chart.address)}" alt="{html.escape(chart.claim)}">'
        for chart in report.charts
    ]
    if report.scores:
        parts.append(_render_scores(report.scores))
    if report.verdict_en:
        parts += ["<h3>Last verdict</h3>", _paragraph(report.verdict_en)]
        parts.append(f'<p lang="ko">{html.escape(report.verdict_ko)}</p>')
    return "\n".join([*parts, "</section>"])


def _render_scores(scores: Sequence[Score]) -> str:
    naive = next((s.scaled_loss for s in scores if s.contestant == "persistence"), None)
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(s, naive)) + "</tr>"
        for s in scores
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"


def _cells(score: Score, naive: float | None) -> list[str]:
    skill = 1 - score.scaled_loss / naive if naive else None
    return [
        score.contestant,
        f"{score.hours:,}",
        f"{score.live_hours:,}",
        f"{score.scaled_loss:.4f}",
        "" if skill is None else f"{skill:+.1%}",
        f"{score.inside_50_frac:.1%}",
        f"{score.inside_90_frac:.1%}",
        f"{score.width_90:.2f}",
        f"{score.abs_error:.2%}",
    ]


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _is_day(path: Path) -> bool:
    return path.name != LATEST and (path / "index.html").is_file()
