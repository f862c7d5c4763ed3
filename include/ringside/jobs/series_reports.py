"""Gathers what the pages show of one series: rows from the stores, charts and sentences of core."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import Engine

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.quality_store import QualityStore
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.candles import HOUR, Candles, to_datetime64
from ringside.core.charts.canvas import Caption, Drawing
from ringside.core.charts.coverage import draw_coverage
from ringside.core.charts.drift import draw_drift
from ringside.core.charts.evidence import draw_evidence
from ringside.core.charts.forecast_fan import draw_forecasts
from ringside.core.charts.gains import draw_gains
from ringside.core.charts.quality import draw_quality
from ringside.core.charts.reliability import draw_reliability
from ringside.core.charts.title_timeline import Decided, draw_timeline
from ringside.core.contestants import CONTESTANTS
from ringside.core.evidence_curves import trace_curves
from ringside.core.features import FeatureTable, compute_features
from ringside.core.gate.streams import Stream
from ringside.core.input_drift import InputDrift, compute_drift
from ringside.core.reports import SeriesReport, TitleReport, VerdictNote
from ringside.core.scorecards import Track, compute_scorecard, make_tracks
from ringside.core.titles import BASELINES, Title
from ringside.core.verdicts import Reign
from ringside.core.words import Words
from ringside.jobs.comparison import make_rule
from ringside.jobs.forecasting import read_auxiliary
from ringside.jobs.records import LONG_AGO, make_record
from ringside.settings import Settings

SHOWN = timedelta(hours=72)
"""How far back the chart of forecasts reaches."""


@dataclass(frozen=True)
class _Series:
    """What all titles of a series share."""

    settings: Settings
    engine: Engine
    caption: Caption
    candles: Candles
    inputs: FeatureTable | None


@dataclass(frozen=True)
class _History:
    """Who held a title, and what was decided on it; both oldest first."""

    reigns: Sequence[Reign]
    verdicts: Sequence[StoredVerdict]


def report_series(
    settings: Settings, engine: Engine, symbol: str, *, caption: Caption
) -> SeriesReport:
    """Gather the report of one series as known at the caption's instant.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    as_of = caption.as_of
    candles = CandleStore(engine).read_candles(symbol, as_of=as_of)
    series = _Series(
        settings, engine, caption, candles, _compute_inputs(settings, engine, candles, caption)
    )
    store = TitleStore(engine)
    histories = {
        horizon: _History(
            store.read_reigns(symbol, horizon, as_of=as_of),
            store.read_verdicts(symbol, horizon, as_of=as_of),
        )
        for horizon in settings.horizons
    }
    titles = [
        _report_title(series, Title(symbol, horizon), history)
        for horizon, history in histories.items()
    ]
    quality = QualityStore(engine).read_quality(symbol, candles.open_time, as_of=as_of)
    timeline = draw_timeline(
        symbol,
        {horizon: history.reigns for horizon, history in histories.items()},
        {
            horizon: [Decided(one.as_of, one.outcome) for one in history.verdicts]
            for horizon, history in histories.items()
        },
        caption=caption,
    )
    drawings = (timeline, draw_quality(symbol, quality, caption=caption))
    return SeriesReport(symbol, titles, quality, drawings)


def _report_title(series: _Series, title: Title, history: _History) -> TitleReport:
    as_of = series.caption.as_of
    rows = EvidenceStore(series.engine).read_rows(
        title.symbol, title.horizon, start=LONG_AGO, as_of=as_of
    )
    tracks = make_tracks(rows)
    won = Counter(reign.contestant for reign in history.reigns[1:])
    verdict = history.verdicts[-1] if history.verdicts else None
    return TitleReport(
        symbol=title.symbol,
        horizon=title.horizon,
        champion=history.reigns[-1] if history.reigns else None,
        verdict=_note(verdict) if verdict else None,
        scorecard=compute_scorecard(tracks, baselines=BASELINES, swaps=won),
        absent=[name for name in CONTESTANTS if name not in tracks],
        policies=TitleStore(series.engine).read_policy_costs(title.symbol, title.horizon),
        drawings=_draw_title(series, title, history.reigns, rows, tracks),
    )


def _draw_title(
    series: _Series,
    title: Title,
    reigns: Sequence[Reign],
    rows: Mapping[str, Stream],
    tracks: Mapping[str, Track],
) -> list[Drawing]:
    caption, name = series.caption, (title.symbol, title.horizon)
    holder = reigns[-1].contestant if reigns else ""
    drifts = _find_drifts(series.inputs, tracks.get(holder))
    return [
        _draw_fan(series, title, reigns, holder),
        draw_gains(*name, tracks, caption=caption),
        _draw_evidence(series, title, reigns, rows),
        draw_coverage(*name, holder, tracks, caption=caption),
        draw_reliability(*name, holder, tracks, caption=caption),
        draw_drift(*name, holder, drifts, caption=caption),
    ]


def _draw_fan(series: _Series, title: Title, reigns: Sequence[Reign], holder: str) -> Drawing:
    as_of = series.caption.as_of
    start = as_of - SHOWN
    forecasts = EvidenceStore(series.engine).read_title_forecasts(
        title.symbol,
        title.horizon,
        champion=holder,
        start=start - timedelta(hours=title.horizon),
        as_of=as_of,
    )
    recent = series.candles.take(series.candles.open_time >= to_datetime64(start))
    shown = [reign for reign in reigns if reign.held_from > start]
    return draw_forecasts(forecasts, recent, shown, caption=series.caption)


def _draw_evidence(
    series: _Series, title: Title, reigns: Sequence[Reign], rows: Mapping[str, Stream]
) -> Drawing:
    """Draw the test that goes on against the champion; the registry is not asked for entrants.

    Entrants decide which version would move in, not how large the evidence is.
    """
    curves, champion = [], ""
    if reigns:
        champion = reigns[-1].contestant
        record = make_record(title, reigns, rows, as_of=series.caption.as_of, entrants={})
        curves = trace_curves(record, make_rule(series.settings))
    return draw_evidence(title.symbol, title.horizon, champion, curves, caption=series.caption)


def _compute_inputs(
    settings: Settings, engine: Engine, candles: Candles, caption: Caption
) -> FeatureTable | None:
    """Compute what the models see at every hour; None without a candle."""
    if len(candles) == 0:
        return None
    hours = int((candles.open_time[-1] - candles.open_time[0]) / HOUR) + 1
    known = read_auxiliary(engine, settings.auxiliary, as_of=caption.as_of, hours=hours)
    return compute_features(candles, auxiliary=known)


def _find_drifts(inputs: FeatureTable | None, track: Track | None) -> list[InputDrift]:
    """Lay the inputs beside the holder's losses, hour by hour."""
    if inputs is None or track is None:
        return []
    _, here, there = np.intersect1d(
        inputs.open_time + HOUR, track.as_of, assume_unique=True, return_indices=True
    )
    return compute_drift(inputs.names, inputs.values[here], track.loss[there])


def _note(verdict: StoredVerdict) -> VerdictNote:
    return VerdictNote(verdict.as_of, verdict.outcome, Words(verdict.text_en, verdict.text_ko))
