"""The report as files on disk, from a real PostgreSQL."""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from ledger_rows import BAND, START, Row, hours, make_duel, make_rows, write_candles, write_rows
from sqlalchemy import insert

from builders import make_candles
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.tables import market_clock
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.candles import to_datetime
from ringside.core.verdicts import Reign
from ringside.jobs.reporting import NO_FORECASTS, NO_SCORES, NOBODY, publish_reports

pytestmark = pytest.mark.integration

AS_OF = START + timedelta(hours=100, minutes=10)
HOUR = timedelta(hours=1)
FIRST = Reign("BTC/USDT", 1, "persistence", 1, START + 50 * HOUR, START, "test", "first champion")
SECOND = replace(FIRST, contestant="xgboost", model_version=3, held_from=START + 80 * HOUR)


@pytest.fixture
def market(settings):
    """A simulated market with a champion of persistence for one title."""
    settings = settings.model_copy(update={"horizons": (1,)})
    engine = make_engine(settings)
    with transaction(engine) as connection:
        connection.execute(
            insert(market_clock).values(
                id=1, source="simulated", source_detail="seed 7", offset_hours=0, set_at=START
            )
        )
    TitleStore(engine).append_reign(FIRST)
    return settings, engine


def read_page(settings) -> str:
    return (settings.reports_dir / "latest" / "index.html").read_text()


def test_report_shows_charts_scores_verdict_and_source(market):
    settings, engine = market
    write_candles(engine, make_candles(100, start=START))
    write_rows(engine, make_duel(0.05, count=98))
    TitleStore(engine).write_verdict(
        StoredVerdict(
            symbol="BTC/USDT",
            horizon=1,
            as_of=AS_OF,
            outcome="keep_champion",
            champion="persistence",
            champion_version=1,
            challenger=None,
            challenger_version=None,
            facts={},
            text_en="persistence <keeps> it",
            text_ko="챔피언 자리를 지킵니다.",
            decided_at=START,
        )
    )
    facts = publish_reports(settings, as_of=AS_OF)
    folder = settings.reports_dir / "2026-01-05"
    assert facts.page == str(folder / "index.html")
    assert facts.paths == (
        str(folder / "BTCUSDT" / "h1-forecasts.png"),
        str(folder / "BTCUSDT" / "h1-gains.png"),
    )
    page = read_page(settings)
    for part in (
        "as of 2026-01-05 04:10 UTC · source: simulated market (seed 7)",
        "persistence (version 1) holds the title since 2026-01-03 02:00 UTC.",
        "persistence &lt;keeps&gt; it",
        '<p lang="ko">챔피언 자리를 지킵니다.</p>',
        "xgboost leads, 5.0% less loss than persistence over 98 shared hours",
        "<td>+5.0%</td>",
    ):
        assert part in page
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert (settings.reports_dir / "latest" / address).read_bytes().startswith(b"\x89PNG")
    assert "http" not in page
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "h1-forecasts.png",
        "h1-gains.png",
        "index.html",
    ]


def test_publishing_again_replaces_the_day_and_an_older_day_is_not_the_latest(market):
    settings, engine = market
    write_candles(engine, make_candles(100, start=START))
    write_rows(engine, make_duel(0.05, count=98))
    first = publish_reports(settings, as_of=AS_OF)
    assert publish_reports(settings, as_of=AS_OF) == first
    publish_reports(settings, as_of=AS_OF - timedelta(days=1))
    assert (settings.reports_dir / "latest").resolve().name == "2026-01-05"
    assert sorted(path.name for path in settings.reports_dir.iterdir()) == [
        "2026-01-04",
        "2026-01-05",
        "latest",
    ]


def test_empty_stores_are_said_in_words(settings):
    settings = settings.model_copy(update={"source": "file", "horizons": (1, 6)})
    TitleStore(make_engine(settings)).append_reign(FIRST)
    facts = publish_reports(settings, as_of=AS_OF)
    page = read_page(settings)
    assert facts.paths == ()
    assert [page.count(words) for words in (NOBODY, NO_FORECASTS, NO_SCORES)] == [1, 1, 1]


def test_one_candle_and_one_unscored_forecast_are_enough_for_a_chart(market):
    settings, engine = market
    write_candles(engine, make_candles(1, start=START + 99 * HOUR))
    write_rows(engine, [Row("persistence", START + 100 * HOUR, None, "live", 1)])
    facts = publish_reports(settings, as_of=AS_OF)
    assert len(facts.paths) == 1
    assert "no outcome of these forecasts is known yet" in read_page(settings)


def test_a_titles_forecasts_follow_the_title(market):
    """Before the first reign the champion's replay; then whoever held it, with its own version."""
    _, engine = market
    TitleStore(engine).append_reign(SECOND)
    instants = hours(101)
    write_rows(
        engine,
        [
            *make_rows("persistence", np.ones(70)),
            *make_rows("xgboost", np.ones(70)),
            *[Row("persistence", t, 1.0, "live", v) for t in instants[60:] for v in (1, 2)],
            *[Row("xgboost", t, 1.0, "live", v) for t in instants[60:] for v in (3, 4)],
            Row("xgboost", instants[99] + HOUR / 2, 1.0, "late", 3),
        ],
    )
    found = EvidenceStore(engine).read_title_forecasts(SECOND, start=START, as_of=AS_OF)
    expected = [
        (t, "xgboost", False)
        if i < 50
        else (t, "persistence", i >= 60)
        if i < 80
        else (t, "xgboost", True)
        for i, t in enumerate(instants)
        if i > 0
    ]
    assert [
        (to_datetime(t), who, bool(live))
        for t, who, live in zip(found.as_of, found.contestant, found.is_live, strict=True)
    ] == expected
    assert np.isnan(found.realised_return).nonzero()[0].tolist() == [99]
    assert (found.quantiles == BAND).all()


def test_scorecard_agrees_with_a_loop_over_the_shared_hours(market):
    _, engine = market
    rng = np.random.default_rng(5)
    naive, other = rng.gamma(4, 0.06, 60), rng.gamma(4, 0.05, 60)
    outcome = rng.normal(0, 0.015, 60)
    rows = [
        *[
            replace(row, realised=float(outcome[i]))
            for i, row in enumerate(make_rows("persistence", naive))
        ],
        *make_rows("xgboost", other, start=START + 20 * HOUR),
        Row("xgboost", START + 20 * HOUR, 9.0, "late", 7),
    ]
    write_rows(engine, rows)
    best, worst = EvidenceStore(engine).read_scorecard("BTC/USDT", 1, as_of=AS_OF)
    shared = range(20, 60)
    assert (best.contestant, worst.contestant) == ("xgboost", "persistence")
    assert best.hours == worst.hours == len(shared)
    assert best.scaled_loss == pytest.approx(sum(other[i - 20] for i in shared) / 40)
    assert worst.scaled_loss == pytest.approx(sum(naive[i] for i in shared) / 40)
    assert worst.inside_90_frac == pytest.approx(sum(abs(outcome[i]) <= 0.02 for i in shared) / 40)
    assert worst.inside_50_frac == pytest.approx(sum(abs(outcome[i]) <= 0.008 for i in shared) / 40)
    assert worst.abs_error == pytest.approx(sum(abs(outcome[i]) for i in shared) / 40)
    assert (worst.width_50, worst.width_90) == (pytest.approx(1.6), pytest.approx(4.0))
