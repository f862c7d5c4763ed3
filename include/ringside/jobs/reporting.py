"""Publishes the charts and the scorecard of every title as static files."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.market_clock import MarketClock
from ringside.adapters.report_files import Chart, ReportFolder, TitleReport
from ringside.adapters.title_store import TitleStore
from ringside.core.charts import (
    YARDSTICK,
    Caption,
    describe_title,
    find_shared_losses,
    render_forecasts,
    render_gains,
)
from ringside.core.titles import Title
from ringside.core.verdicts import Reign
from ringside.settings import Settings

_log = logging.getLogger(__name__)
SHOWN = timedelta(hours=96)
NOBODY = "Nobody holds this title yet: the DAG train_challenger crowns the first champion."
NO_FORECASTS = "No forecast of this title has been issued yet."
NO_SCORES = "There is no scored hour yet that all contestants share."


@dataclass(frozen=True)
class ReportFacts:
    """What was published: the page, and every chart file."""

    page: str
    paths: tuple[str, ...]


def publish_reports(settings: Settings, *, as_of: datetime) -> ReportFacts:
    """Draw every title as it stood at `as_of` and write the page that shows them.

    Running again for the same day replaces that day's files. A title without forecasts, scores or
    champion is on the page too, which says in words what is missing.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    _log.info("reporting series=%s as_of=%s", ",".join(settings.series), as_of.isoformat())
    engine = make_engine(settings)
    caption = Caption(as_of, find_source_name(settings, engine))
    folder = ReportFolder(settings.reports_dir, as_of)
    titles = [Title(symbol, horizon) for symbol in settings.series for horizon in settings.horizons]
    reports = [_report(title, engine, folder, caption) for title in titles]
    page = folder.save_page(reports, caption=caption)
    paths = [str(folder.folder / chart.address) for report in reports for chart in report.charts]
    _log.info("reported titles=%d charts=%d page=%s", len(reports), len(paths), page)
    return ReportFacts(str(page), tuple(paths))


def find_source_name(settings: Settings, engine: Engine) -> str:
    """Name where the candles come from; a simulated market is always called one."""
    clock = MarketClock(engine).read()
    source = clock.source if clock else settings.source
    detail = clock.source_detail if clock else source
    if source == "simulated" and "simulated market" not in detail:
        return f"simulated market ({detail})"
    return detail


def _report(title: Title, engine: Engine, folder: ReportFolder, caption: Caption) -> TitleReport:
    """Gather what the page shows of one title."""
    store = TitleStore(engine)
    name = describe_title(title.symbol, title.horizon)
    reigns = store.read_reigns(title.symbol, title.horizon, as_of=caption.as_of)
    if not reigns:
        return TitleReport(name, NOBODY)
    verdicts = store.read_verdicts(title.symbol, title.horizon, as_of=caption.as_of)
    scores = EvidenceStore(engine).read_scorecard(title.symbol, title.horizon, as_of=caption.as_of)
    fan = _draw_forecasts(reigns, engine, folder, caption)
    gains = _draw_gains(reigns[-1], engine, folder, caption)
    missing = [note for note, chart in ((NO_FORECASTS, fan), (NO_SCORES, gains)) if chart is None]
    return TitleReport(
        name=name,
        holder=describe_holder(reigns[-1]),
        verdict_en=verdicts[-1].text_en if verdicts else "",
        verdict_ko=verdicts[-1].text_ko if verdicts else "",
        charts=[chart for chart in (fan, gains) if chart is not None],
        scores=scores,
        notes=missing,
    )


def describe_holder(reign: Reign) -> str:
    """Say who holds the title, since when."""
    return (
        f"{reign.contestant} (version {reign.model_version}) holds the title since "
        f"{reign.held_from:%Y-%m-%d %H:%M} UTC."
    )


def _draw_forecasts(
    reigns: Sequence[Reign], engine: Engine, folder: ReportFolder, caption: Caption
) -> Chart | None:
    """Draw the last days of forecasts with their outcomes; None where there are none."""
    champion, start = reigns[-1], caption.as_of - SHOWN
    forecasts = EvidenceStore(engine).read_title_forecasts(
        champion, start=start - timedelta(hours=champion.horizon), as_of=caption.as_of
    )
    if len(forecasts) == 0:
        return None
    candles = CandleStore(engine).read_candles(champion.symbol, as_of=caption.as_of, start=start)
    shown = [reign for reign in reigns if reign.held_from > start]
    figure = render_forecasts(forecasts, candles, shown, caption=caption)
    return folder.save_chart(figure, champion.symbol, f"h{champion.horizon}-forecasts")


def _draw_gains(
    champion: Reign, engine: Engine, folder: ReportFolder, caption: Caption
) -> Chart | None:
    """Draw what each contestant saved against persistence; None without a shared hour."""
    scored = EvidenceStore(engine).read_scored_hours(champion, as_of=caption.as_of)
    shared, losses = find_shared_losses(scored)
    if len(shared) == 0 or YARDSTICK not in losses:
        return None
    figure = render_gains(champion.symbol, champion.horizon, scored, caption=caption)
    return folder.save_chart(figure, champion.symbol, f"h{champion.horizon}-gains")
