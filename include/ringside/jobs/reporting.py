"""Publishes the charts and the scorecard of every series as static files."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from ringside.adapters.database import make_engine
from ringside.adapters.market_clock import MarketClock
from ringside.adapters.report_files import ReportFolder
from ringside.core.charts.canvas import Caption
from ringside.core.reports import SeriesReport
from ringside.jobs.series_reports import report_series
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportFacts:
    """What was published: the index, and every chart file."""

    page: str
    paths: tuple[str, ...]


def publish_reports(settings: Settings, *, as_of: datetime) -> ReportFacts:
    """Draw every series as it stood at `as_of` and write the pages that show it.

    Running again for the same day replaces that day's files. What is missing, be it forecasts,
    scores or a champion, is said in words on the page. Days older than `report_keep_days` before
    the newest report are removed.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("reporting series=%s as_of=%s", ",".join(settings.series), as_of.isoformat())
    engine = make_engine(settings)
    caption = Caption(as_of, find_source(settings))
    folder = ReportFolder(settings.reports_dir, caption)
    reports: list[SeriesReport] = []
    paths: list[str] = []
    for number, symbol in enumerate(settings.series, start=1):
        report = report_series(settings, engine, symbol, caption=caption)
        drawn = folder.save_series(report)
        paths += map(str, drawn)
        reports.append(_forget_figures(report))
        _log.info(
            "reported symbol=%s charts=%d series=%d of %d",
            symbol, len(drawn), number, len(settings.series),
        )  # fmt: skip
    page = folder.save_index(reports, keep_days=settings.report_keep_days)
    _log.info("reported series=%d charts=%d page=%s", len(reports), len(paths), page)
    return ReportFacts(str(page), tuple(paths))


def find_source(settings: Settings) -> str:
    """Name where the candles come from; a simulated market is always called one."""
    clock = MarketClock(make_engine(settings)).read()
    source = clock.source if clock else settings.source
    detail = clock.source_detail if clock else source
    if source == "simulated" and "simulated market" not in detail:
        return f"simulated market ({detail})"
    return detail


def _forget_figures(report: SeriesReport) -> SeriesReport:
    """Keep what the index tells; figures of many series would fill the memory."""
    titles = [replace(title, drawings=()) for title in report.titles]
    return replace(report, titles=titles, drawings=())
