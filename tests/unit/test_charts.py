"""Charts: claims that follow from what is drawn, and words where there is nothing to draw."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.dates import date2num

import ringside
from gate_builders import START, make_record, make_rows
from ringside.core.candles import HOUR, to_datetime64
from ringside.core.charts.canvas import Caption, style_contestant
from ringside.core.charts.coverage import draw_coverage, roll_coverage
from ringside.core.charts.drift import draw_drift
from ringside.core.charts.evidence import draw_evidence
from ringside.core.charts.gains import draw_gains
from ringside.core.charts.quality import draw_quality
from ringside.core.charts.reliability import draw_reliability, find_deviations
from ringside.core.charts.title_timeline import Decided, draw_timeline
from ringside.core.data_quality import Quality
from ringside.core.evidence_curves import trace_curves
from ringside.core.gate.decision import decide_title
from ringside.core.gate.rules import GateRule
from ringside.core.input_drift import InputDrift
from ringside.core.scorecards import Track, make_tracks
from ringside.core.verdicts import Reign

CAPTION = Caption(datetime(2026, 2, 1, tzinfo=UTC), "simulated market (seed 7)")
TITLE = ("BTC/USDT", 6)


def make_track(loss, *, skip=0, horizon=6, inside=None):
    count = len(loss)
    as_of = to_datetime64(START) + np.arange(skip, skip + count) * HOUR
    held = np.ones(count, bool) if inside is None else np.asarray(inside, bool)
    return Track(
        as_of=as_of,
        target_time=as_of + horizon * HOUR,
        is_live=np.ones(count, bool),
        loss=np.asarray(loss, float),
        error=np.zeros(count),
        inside_50=held,
        inside_90=held,
        width_50=np.ones(count),
        width_90=np.ones(count),
        below=np.arange(count) % 6,
    )


def read_line(axes, label):
    (line,) = [one for one in axes.lines if one.get_label() == label]
    return line.get_xdata(), line.get_ydata()


# ---- gains


def test_gains_add_up_over_the_shared_hours_at_the_last_outcome_of_each_day():
    rng = np.random.default_rng(0)
    naive, other = rng.gamma(4, 0.06, 80), rng.gamma(4, 0.05, 80)
    tracks = {"persistence": make_track(naive), "xgboost": make_track(other, skip=10)}
    figure = draw_gains(*TITLE, tracks, caption=CAPTION).figure
    hours, saved = read_line(figure.axes[0], "xgboost")
    total, by_day = 0.0, {}
    for place in range(70):
        total += naive[place + 10] - other[place]
        known_at = START + timedelta(hours=place + 10 + 6)
        by_day[(known_at - timedelta(hours=1)).date()] = (date2num(known_at), total)
    assert list(zip(hours, saved, strict=True)) == [pytest.approx(one) for one in by_day.values()]


def test_claim_names_the_leader_and_not_a_newcomer_with_a_lucky_day():
    tracks = {
        "persistence": make_track(np.ones(100)),
        "xgboost": make_track(np.full(100, 0.9)),
        "linear": make_track(np.full(20, 0.1), skip=80),
    }
    claim = draw_gains(*TITLE, tracks, caption=CAPTION).claim
    assert claim.en == (
        "BTC/USDT, 6 hours ahead: xgboost leads, 10.0% less loss than persistence over 100 shared "
        "hours"
    )
    assert "xgboost 모델이 앞섭니다" in claim.ko


def test_claim_admits_that_nobody_beats_persistence():
    tracks = {"persistence": make_track(np.ones(9)), "xgboost": make_track(np.full(9, 1.1))}
    claim = draw_gains(*TITLE, tracks, caption=CAPTION).claim
    assert "nobody has a lower loss than persistence" in claim.en


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        ({}, "no forecast of persistence has been scored yet"),
        ({"xgboost": make_track(np.ones(5))}, "no forecast of persistence has been scored yet"),
        ({"persistence": make_track(np.ones(5))}, "no contestant shares a scored hour"),
        (
            {"persistence": make_track(np.ones(5)), "xgboost": make_track(np.ones(5), skip=5)},
            "no contestant shares a scored hour",
        ),
    ],
)
def test_gains_without_a_shared_hour_are_words(tracks, words):
    drawing = draw_gains(*TITLE, tracks, caption=CAPTION)
    assert drawing.figure is None
    assert words in drawing.claim.en


# ---- evidence


def test_evidence_ends_where_the_gate_does_and_the_pace_reaches_the_threshold():
    rows = {"persistence": make_rows(60, width=1.6), "xgboost": make_rows(60, noise=0.2)}
    record, rule = make_record(rows), GateRule()
    curves = trace_curves(record, rule)
    finding = decide_title(record, rule).findings[0]
    assert [one.rival for one in curves] == ["xgboost"]
    assert curves[0].evidence[-1] == finding.evidence
    assert curves[0].threshold == finding.threshold
    assert curves[0].times[-1] <= to_datetime64(record.as_of)
    drawing = draw_evidence("BTC/USDT", 1, "persistence", curves, caption=CAPTION)
    hours, evidence = read_line(drawing.figure.axes[0], "xgboost")
    assert evidence[-1] == pytest.approx(finding.evidence)
    assert hours[0] == pytest.approx(date2num(curves[0].times[0]))
    drawing.figure.canvas.draw()


def test_pace_is_drawn_up_to_the_threshold():
    rows = {"persistence": make_rows(40, width=1.4), "xgboost": make_rows(40, noise=0.1)}
    (curve,) = trace_curves(make_record(rows, days=40), GateRule())
    assert curve.weeks_more is not None
    drawing = draw_evidence("BTC/USDT", 1, "persistence", [curve], caption=CAPTION)
    hours, evidence = read_line(drawing.figure.axes[0], "pace")
    assert evidence[-1] == curve.threshold
    assert hours[1] - hours[0] == pytest.approx(7 * curve.weeks_more)
    weeks = max(round(curve.weeks_more), 1)
    assert f"about {weeks} more week" in drawing.claim.en
    assert f"약 {weeks}주" in drawing.claim.ko


def test_evidence_without_a_champion_a_record_or_a_bet_is_words():
    assert trace_curves(make_record({}), GateRule()) == []
    one_day = {"persistence": make_rows(1), "xgboost": make_rows(1, width=1.3)}
    assert trace_curves(make_record(one_day, days=1), GateRule()) == []
    none = draw_evidence("BTC/USDT", 1, "", [], caption=CAPTION)
    early = draw_evidence("BTC/USDT", 1, "persistence", [], caption=CAPTION)
    assert (none.figure, early.figure) == (None, None)
    assert "nobody holds this title" in none.claim.en
    assert "no bet against persistence" in early.claim.en


def test_evidence_above_the_threshold_is_said_and_the_champion_itself_is_left_out():
    rows = {"persistence": make_rows(60, width=2.5), "xgboost": make_rows(60)}
    curves = trace_curves(make_record(rows), GateRule())
    claim = draw_evidence("BTC/USDT", 1, "persistence", curves, caption=CAPTION).claim
    assert "xgboost has reached evidence" in claim.en
    assert "넘었습니다" in claim.ko


# ---- coverage and reliability


def test_rolling_coverage_agrees_with_a_loop():
    rng = np.random.default_rng(1)
    inside = rng.random(50 * 24) < 0.9
    track = make_track(np.ones(50 * 24), horizon=1, inside=inside)
    times, share = roll_coverage(track.target_time, track.inside_90)
    assert len(times) == 50
    for end, found in zip(times, share, strict=True):
        window = (track.target_time > end - np.timedelta64(30, "D")) & (track.target_time <= end)
        assert found == pytest.approx(inside[window].mean())


def test_coverage_of_a_single_outcome_is_drawn():
    drawing = draw_coverage(
        *TITLE, "xgboost", {"xgboost": make_track([1.0], inside=[True])}, caption=CAPTION
    )
    assert "100.0% of xgboost's last 30 days" in drawing.claim.en
    _, share = read_line(drawing.figure.axes[0], "xgboost")
    assert share.tolist() == [100]
    drawing.figure.canvas.draw()


def test_deviations_agree_with_a_count_of_outcomes_below_each_quantile():
    rows = make_rows(30, width=1.5)
    track = make_tracks({"a": rows})["a"]
    slow = [
        np.mean(rows.realised <= rows.quantiles[:, place]) - level
        for place, level in enumerate((0.05, 0.25, 0.5, 0.75, 0.95))
    ]
    assert find_deviations(track) == pytest.approx(slow)
    drawing = draw_reliability(*TITLE, "nobody", {"a": track}, caption=CAPTION)
    assert f"a's quantiles are off by at most {100 * max(map(abs, slow)):.1f} points" in (
        drawing.claim.en
    )
    assert [bar.get_height() for bar in drawing.figure.axes[0].patches] == pytest.approx(
        [100 * one for one in slow]
    )


@pytest.mark.parametrize("draw", [draw_coverage, draw_reliability])
def test_calibration_without_scores_is_words(draw):
    drawing = draw(*TITLE, "xgboost", {}, caption=CAPTION)
    assert drawing.figure is None
    assert "no forecast has been scored yet" in drawing.claim.en


# ---- timeline


def make_reign(contestant, days, horizon=1):
    held_from = START + timedelta(days=days)
    return Reign("BTC/USDT", horizon, contestant, 1, held_from, held_from, "test", "test")


def test_timeline_spans_each_reign_and_counts_the_changes():
    reigns = {1: [make_reign("persistence", 0), make_reign("xgboost", 10)], 6: []}
    decided = {1: [Decided(START + timedelta(days=10), "promote_challenger")], 6: []}
    drawing = draw_timeline("BTC/USDT", reigns, decided, caption=CAPTION)
    axes = drawing.figure.axes[0]
    spans = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    start = date2num(START)
    end = date2num(CAPTION.as_of)
    assert spans == [pytest.approx((start, 10)), pytest.approx((start + 10, end - start - 10))]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1 h ahead"]
    assert drawing.claim.en == "BTC/USDT: the title has changed hands once in 1 verdict"
    assert "1번 바뀌었습니다" in drawing.claim.ko


def test_timeline_without_a_champion_is_words():
    drawing = draw_timeline("BTC/USDT", {1: [], 6: []}, {}, caption=CAPTION)
    assert drawing.figure is None
    assert "nobody holds a title yet" in drawing.claim.en


def test_title_that_never_moved_is_said():
    drawing = draw_timeline(
        "BTC/USDT",
        {1: [make_reign("persistence", 0)]},
        {1: [Decided(START + timedelta(days=day), kind) for day, kind in
             ((1, "keep_champion"), (2, "ask_human"))]},
        caption=CAPTION,
    )  # fmt: skip
    assert drawing.claim.en.endswith("changed hands never in 2 verdicts")
    assert "한 번도 바뀌지 않았습니다" in drawing.claim.ko
    assert len(drawing.figure.axes[0].lines) == 2


# ---- data quality and drift


def make_quality(hours, quarantined=()):
    first = np.datetime64("2026-01-01", "s")
    return Quality(
        as_of=CAPTION.as_of,
        open_time=first + np.asarray(hours, int) * HOUR,
        quarantined=first + np.asarray(quarantined, int) * HOUR,
    )


def test_outage_in_the_middle_is_counted_in_its_week():
    hours = [hour for hour in range(24 * 20) if not 200 <= hour < 205]
    drawing = draw_quality("BTC/USDT", make_quality(hours, [30]), caption=CAPTION)
    missing, refused = ([bar.get_height() for bar in axes.patches] for axes in drawing.figure.axes)
    assert missing == [0, 5, 0, 0, 0]
    assert refused == [1, 0, 0, 0, 0]
    assert drawing.claim.en == ("BTC/USDT: 5 hours missing among 475 candles, 1 row in quarantine")
    drawing.figure.canvas.draw()


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ([], "no candle has been published yet"),
        ([0], "no hour is missing among 1 candle, and no row is in quarantine"),
    ],
)
def test_data_without_a_flaw_or_without_a_candle_are_words(hours, words):
    drawing = draw_quality("BTC/USDT", make_quality(hours), caption=CAPTION)
    assert drawing.figure is None
    assert words in drawing.claim.en


def test_row_in_quarantine_before_any_candle_is_drawn_alone():
    drawing = draw_quality("BTC/USDT", make_quality([], [3]), caption=CAPTION)
    assert [axes.get_ylabel() for axes in drawing.figure.axes] == ["rows in\nquarantine"]


@pytest.mark.parametrize(
    ("usual", "words"),
    [
        (0.01, "range_1h has moved: alone it raises xgboost's loss by 4.0%"),
        (0.05, "no input drifts beyond what is usual"),
        (None, "too short to say what is usual"),
    ],
)
def test_drift_claims_only_what_is_beyond_the_usual(usual, words):
    drifts = [
        InputDrift("range_1h", 0.4, 0.04, usual),
        *(InputDrift(f"volume_{n}h", 0.1, -0.001 * n, usual) for n in range(12)),
    ]
    drawing = draw_drift("BTC/USDT", 1, "xgboost", drifts, caption=CAPTION)
    assert words in drawing.claim.en
    axes = drawing.figure.axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[0] == "range_1h  (D 0.40)"
    assert len(labels) == 10
    assert axes.get_xlabel() == "change of xgboost's loss, percent"


def test_drift_on_too_few_hours_is_words():
    drawing = draw_drift("BTC/USDT", 1, "xgboost", [], caption=CAPTION)
    assert drawing.figure is None
    assert "too few scored hours" in drawing.claim.en


def test_contestant_has_one_colour_everywhere_and_strangers_have_one_too():
    names = ("persistence", "persistence_ewma", "linear", "xgboost")
    assert len({style_contestant(name)["color"] for name in names}) == 4
    assert style_contestant("stranger") == style_contestant("stranger")


def test_importing_charts_loads_no_matplotlib():
    code = (
        "import sys, ringside.core.charts.forecast_fan, ringside.core.charts.quality;"
        " sys.exit('matplotlib' in sys.modules)"
    )
    package = Path(ringside.__file__).parents[1]
    child = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(package)}, check=False
    )
    assert child.returncode == 0
