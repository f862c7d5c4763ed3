"""The report as files on disk, from a real PostgreSQL."""

import re
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
from ledger_rows import BAND, START, Row, hours, make_rows, write_candles, write_rows

from builders import make_candles
from report_builders import END, fill_history, fill_title, quarantine, set_market
from ringside.adapters.database import make_engine
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.report_files import find_days
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.candles import to_datetime
from ringside.core.verdicts import Reign
from ringside.jobs.reporting import publish_reports

pytestmark = pytest.mark.integration

AS_OF = START + timedelta(hours=100, minutes=10)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST = Reign("BTC/USDT", 1, "persistence", 1, START + 50 * HOUR, START, "test", "first champion")
SECOND = replace(FIRST, contestant="xgboost", model_version=3, held_from=START + 80 * HOUR)
OF_TITLE = ("forecasts", "gains", "evidence", "coverage", "reliability", "drift")


@pytest.fixture
def small(settings):
    """Settings of one title."""
    return settings.model_copy(update={"horizons": (1,)})


@pytest.fixture
def full(small):
    """A title with forty-five days of forecasts, a change of hands, and rows in quarantine."""
    candles = fill_history(small, days=45)
    fill_title(small, days=45)
    set_market(small)
    quarantine(small, candles, [5, 6])
    return small


def read_page(settings, name="BTCUSDT/index.html") -> str:
    return (settings.reports_dir / "latest" / name).read_text()


def list_files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_report_shows_every_part_in_both_languages_and_needs_nothing_from_outside(full):
    facts = publish_reports(full, as_of=END)
    folder = full.reports_dir / "2026-01-01"
    assert facts.page == str(folder / "index.html")
    names = ["timeline", "quality", *(f"h1-{part}" for part in OF_TITLE)]
    assert [path.rsplit("/", 1)[1] for path in facts.paths] == [f"{name}.svg" for name in names]
    pages = {language: read_page(full, f"BTCUSDT/{page}") for language, page in
             (("en", "index.html"), ("ko", "index.ko.html"))}  # fmt: skip
    for page in pages.values():
        assert "as of 2026-01-01 00:00 UTC" in page or "기준 시각 2026-01-01 00:00 UTC" in page
        assert page.count("simulated market, seed 7") >= 2
        for address in re.findall(r'(?:src|srcset|href)="([^"#]+)"', page):
            assert address == "data:," or (folder / "BTCUSDT" / address).resolve().is_file()
        for picture in re.findall(r"<img [^>]+>", page):
            assert re.search(r'alt="[^"]{20,}"', picture)
        assert not re.search(r"(?:https?:)?//", page)
    assert "the title has changed hands once" in pages["en"]
    assert "Ringside&#39;s gate" in pages["en"]
    assert "volume_spike" in pages["en"]
    assert "성적표" in pages["ko"]
    assert "챔피언이 1번 바뀌었습니다" in pages["ko"]
    size = sum(path.stat().st_size for path in (folder / "BTCUSDT").iterdir())
    assert size < 1.5 * 2**20  # both languages, charts in light and dark
    for svg in folder.rglob("*.svg"):
        tree = ElementTree.parse(svg)  # noqa: S314 - our own
        assert not [e for e in tree.iter() if e.tag.endswith("image")]
    dark = (folder / "BTCUSDT" / "h1-gains.dark.svg").read_text()
    assert "#ffffff" not in dark
    english, korean = (read_page(full, name) for name in ("index.html", "index.ko.html"))
    assert 'href="BTCUSDT/index.html#h1"' in english
    assert 'href="BTCUSDT/index.ko.html#h1"' in korean
    assert "persistence_ewma version 1" in english
    assert "BTC/USDT, 1 hour ahead: persistence_ewma (version 1)" in english
    assert "BTC/USDT 1시간 뒤 예측" in korean


def test_same_run_gives_the_same_bytes_and_an_older_day_is_not_the_latest(full):
    first = publish_reports(full, as_of=END)
    folder = full.reports_dir / "2026-01-01"
    before = {name: (folder / name).read_bytes() for name in list_files(folder)}
    (folder / "BTCUSDT" / "old-chart.svg").write_text("left by an earlier version")
    assert publish_reports(full, as_of=END) == first
    assert {name: (folder / name).read_bytes() for name in list_files(folder)} == before
    empty = full.model_copy(update={"series": ("ETH/USDT",)})
    publish_reports(empty, as_of=END - DAY)
    assert (full.reports_dir / "latest").resolve().name == "2026-01-01"
    assert find_days(full.reports_dir) == ["2025-12-31", "2026-01-01"]


def test_reports_older_than_the_setting_are_removed_and_nothing_else(small):
    (small.reports_dir / "notes").mkdir(parents=True)
    (small.reports_dir / "notes" / "index.html").write_text("mine")
    for days_ago in (10, 7, 1):
        publish_reports(small, as_of=AS_OF - days_ago * DAY)
    kept = small.model_copy(update={"report_keep_days": 7})
    publish_reports(kept, as_of=AS_OF)
    assert find_days(small.reports_dir) == ["2025-12-29", "2026-01-04", "2026-01-05"]
    publish_reports(kept, as_of=AS_OF - 30 * DAY)  # asked for, so it stays
    assert find_days(small.reports_dir)[0] == "2025-12-06"
    assert (small.reports_dir / "notes" / "index.html").is_file()


def test_nothing_yet_is_said_in_words_and_no_chart_is_drawn(settings):
    settings = settings.model_copy(update={"source": "file", "horizons": (1, 6)})
    facts = publish_reports(settings, as_of=AS_OF)
    assert facts.paths == ()
    page, korean = read_page(settings), read_page(settings, "BTCUSDT/index.ko.html")
    for words in (
        "nobody holds a title yet",
        "no candle has been published yet",
        "No forecast of this title has been scored yet.",
        "no forecast of these days is on the record",
        "nobody holds this title yet, so there is nothing to test",
        "no forecast has been scored yet, so no coverage can be counted",
        "too few scored hours to tell whether inputs drift",
        "No candle has been published yet.",
        "No row is in quarantine.",
    ):
        assert words in page
    assert "아직 챔피언이 없습니다" in korean
    assert "<img" not in page + korean
    assert "nobody yet" in read_page(settings, "index.html")


def test_one_candle_one_unscored_forecast_and_a_champion_are_enough_for_a_chart(small):
    engine = make_engine(small)
    TitleStore(engine).append_reign(FIRST)
    write_candles(engine, make_candles(1, start=START + 99 * HOUR))
    write_rows(engine, [Row("persistence", START + 100 * HOUR, None, "live", 1)])
    facts = publish_reports(small, as_of=AS_OF)
    assert [path.rsplit("/", 1)[1] for path in facts.paths] == ["timeline.svg", "h1-forecasts.svg"]
    page = read_page(small)
    assert "no outcome of these forecasts is known yet" in page
    assert "no bet against persistence has been placed yet" in page
    assert "no hour is missing among 1 candle" in page


def test_contestant_without_history_is_named_and_texts_are_escaped(small):
    engine = make_engine(small)
    TitleStore(engine).append_reign(FIRST)
    write_candles(engine, make_candles(100, start=START))
    write_rows(engine, make_rows("persistence", np.ones(98)))
    verdict = StoredVerdict(
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
        text_ko="챔피언 <자리>를 지킵니다.",
        decided_at=START,
    )
    TitleStore(engine).write_verdict(verdict)
    publish_reports(small, as_of=AS_OF)
    page = read_page(small)
    assert "Without a scored forecast so far: persistence_ewma, linear, xgboost" in (
        page.replace("xgboost, linear", "linear, xgboost")
    )
    assert "no contestant shares a scored hour with persistence yet" in page
    assert "persistence &lt;keeps&gt; it" in page
    assert "&lt;자리&gt;" in read_page(small, "BTCUSDT/index.ko.html")


def test_outage_in_the_middle_is_counted_and_breaks_no_chart(small):
    candles = fill_history(small, days=20)
    engine = make_engine(small)
    hole = [to_datetime(hour) for hour in candles.open_time[-40:-30]]
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM candles WHERE open_time = ANY(%s)", (hole,))
    fill_title(small, days=20)
    facts = publish_reports(small, as_of=END)
    page = read_page(small)
    assert "10 hours missing among" in page
    assert len(facts.paths) == 7  # all but drift, for which twenty days are too few


def test_report_sees_nothing_of_the_future(full):
    as_of = END - 10 * DAY
    publish_reports(full, as_of=as_of)
    page = read_page(full)
    engine = make_engine(full)
    with engine.begin() as connection:
        late = (as_of - HOUR,)
        for statement in (
            "UPDATE scores SET scaled_loss = 9 WHERE target_time > %s + interval '1 hour'",
            "UPDATE candles SET close = close * 2 WHERE open_time > %s",
            "DELETE FROM verdicts WHERE as_of > %s + interval '1 hour'",
        ):
            connection.exec_driver_sql(statement, late)
    publish_reports(full, as_of=as_of)
    assert read_page(full) == page
    assert "as of 2025-12-22 00:00 UTC" in page


def test_a_titles_forecasts_follow_the_title(small):
    """Before the first reign the champion's replay; then whoever held it, with its own version."""
    engine = make_engine(small)
    TitleStore(engine).append_reign(FIRST)
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
    found = EvidenceStore(engine).read_title_forecasts(
        "BTC/USDT", 1, champion="xgboost", start=START, as_of=AS_OF
    )
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
