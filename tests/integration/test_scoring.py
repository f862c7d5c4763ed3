"""Scores and the history of skill on a real PostgreSQL: derived, rebuilt, following revisions."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select, text

from builders import START, make_candles
from model_builders import make_forecast, publish_candles
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.adapters.score_store import ScoreStore
from ringside.adapters.tables import forecasts, scores, skill_history
from ringside.core.metrics import compute_skill
from ringside.core.skill import SKILL_DAYS
from ringside.jobs.scoring import rebuild_scores, score_matured

pytestmark = pytest.mark.integration

SYMBOL = "BTC/USDT"
HOURS = 40 * 24
END = START + timedelta(hours=HOURS)
BANDS = {"persistence": 0.02, "persistence_ewma": 0.012, "xgboost": 0.009}


@pytest.fixture
def engine(settings):
    engine = make_engine(settings)
    publish_candles(engine, make_candles(HOURS, symbol=SYMBOL, seed=2))
    with engine.begin() as connection:
        connection.execute(text("UPDATE candles SET published_at = now()"))
    return engine


@pytest.fixture
def recorded(settings, engine):
    """Forty days of three contestants on the record; xgboost joins after five of them."""
    candles = make_candles(HOURS, symbol=SYMBOL, seed=2)
    rows = [
        make_forecast(
            contestant=name,
            model_version=0,
            kind="replayed",
            as_of=START + timedelta(hours=hour + 1),
            anchor_close=float(candles.close[hour]),
            quantiles=(-width, -width / 3, 0.0, width / 3, width),
        )
        for hour in range(HOURS - 1)
        for name, width in BANDS.items()
        if name != "xgboost" or hour >= 120
    ]
    LedgerStore(engine).append(rows, withheld_at=END)
    return settings


def read(engine, table):
    query = select(*(c for c in table.columns if c.name != "scored_at")).order_by(
        *table.primary_key.columns
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def revise(engine, opened, close):
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE candles SET close = :close, published_at = now() WHERE open_time = :at"),
            {"close": close, "at": opened},
        )


def test_scoring_twice_is_scoring_once(recorded, engine):
    first = score_matured(recorded, as_of=END)
    kept = read(engine, scores), read(engine, skill_history)
    again = score_matured(recorded, as_of=END)

    assert (first.scored, again.scored) == ({SYMBOL: 3 * (HOURS - 1) - 120}, {SYMBOL: 0})
    assert (read(engine, scores), read(engine, skill_history)) == kept


def test_scoring_by_the_hour_or_all_at_once_gives_the_same(recorded, engine):
    for hours in (24 * 3 + 5, 24 * 3 + 6, 24 * 20, 24 * 35 + 1, HOURS):
        score_matured(recorded, as_of=START + timedelta(hours=hours))
    step_by_step = read(engine, scores), read(engine, skill_history)
    rebuild_scores(recorded, as_of=END)

    assert (read(engine, scores), read(engine, skill_history)) == step_by_step


def test_rebuilt_from_nothing_after_everything_is_lost(recorded, engine):
    score_matured(recorded, as_of=END)
    before = read(engine, scores), read(engine, skill_history)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE scores, skill_history"))
    facts = rebuild_scores(recorded, as_of=END)

    assert facts.scored == {SYMBOL: len(before[0])}
    assert (read(engine, scores), read(engine, skill_history)) == before


def test_revised_close_is_scored_anew_and_nothing_else_moves(recorded, engine):
    score_matured(recorded, as_of=END)
    before = {row[0]: row for row in read(engine, scores)}
    history = read(engine, skill_history)
    opened = END - timedelta(hours=50)
    revise(engine, opened, 60_000)

    facts = score_matured(recorded, as_of=END)
    again = score_matured(recorded, as_of=END)

    assert (facts.scored, again.scored) == ({SYMBOL: 3}, {SYMBOL: 0})
    changed = [row for row in read(engine, scores) if row != before[row[0]]]
    query = select(forecasts.c.anchor_close).where(
        forecasts.c.target_time == opened + timedelta(hours=1)
    )
    with engine.connect() as connection:
        anchors = set(connection.execute(query).scalars())
    assert len(changed) == 3
    place = [column.name for column in scores.columns].index("realised_return")
    assert {row[place] for row in changed} == {float(np.log(60_000 / one)) for one in anchors}
    touched = opened.date()
    moved = {row[3] for row in set(read(engine, skill_history)) - set(history)}
    assert min(moved) == touched
    rebuilt = read(engine, skill_history)
    rebuild_scores(recorded, as_of=END)
    assert read(engine, skill_history) == rebuilt


def test_history_equals_a_loop_over_the_scores(recorded, engine):
    """Thirty days of own losses, and of losses on the hours shared with each baseline."""
    score_matured(recorded, as_of=END)
    with engine.connect() as connection:
        rows = list(connection.execute(select(scores).order_by(scores.c.target_time)).mappings())
    for day in (date(2025, 1, 1), date(2025, 1, 10), date(2025, 2, 8)):
        end = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
        start = end - timedelta(days=SKILL_DAYS)
        losses = {
            name: {
                row["target_time"]: row["scaled_loss"]
                for row in rows
                if row["contestant"] == name and start < row["target_time"] <= end
            }
            for name in BANDS
        }
        found = ScoreStore(engine).read_skill(SYMBOL, 1, start=day, end=day)
        assert [one.contestant for one in found] == sorted(n for n, own in losses.items() if own)
        for one in found:
            own = losses[one.contestant]
            assert one.hours == len(own)
            assert one.live_hours == 0
            assert one.scaled_loss == pytest.approx(np.mean(list(own.values())), rel=1e-12)
            for baseline, skill in (
                ("persistence", one.skill_persistence),
                ("persistence_ewma", one.skill_persistence_ewma),
            ):
                shared = sorted(own.keys() & losses[baseline].keys())
                mine = np.array([own[at] for at in shared])
                theirs = np.array([losses[baseline][at] for at in shared])
                assert skill == pytest.approx(compute_skill(mine, theirs), abs=1e-12)


def test_coverage_of_a_day_is_the_share_inside_its_bands(recorded, engine):
    score_matured(recorded, as_of=END)
    query = text(
        "SELECT avg(is_inside_50::int), avg(is_inside_90::int) FROM scores "
        "WHERE contestant = 'xgboost' AND target_time > :start"
    )
    last = (END - timedelta(hours=1)).date()
    start = datetime.combine(last, datetime.min.time(), UTC) - timedelta(days=SKILL_DAYS - 1)
    with engine.connect() as connection:
        inside = connection.execute(query, {"start": start}).one()
    (one,) = (
        row
        for row in ScoreStore(engine).read_skill(SYMBOL, 1, start=last, end=last)
        if row.contestant == "xgboost"
    )
    assert one.inside_50_frac == pytest.approx(float(inside[0]))
    assert one.inside_90_frac == pytest.approx(float(inside[1]))


def test_live_forecast_of_the_newest_version_counts_for_its_hour(recorded, engine):
    hour = START + timedelta(hours=500)
    kinds = {0: "replayed", 1: "live", 2: "live", 3: "late"}
    rows = [
        make_forecast(
            model_version=version,
            kind=kind,
            as_of=hour + timedelta(minutes=0),
            contestant="linear",
            quantiles=tuple(0.01 * version + np.array([-0.3, -0.2, -0.1, 0.2, 0.3])),
        )
        for version, kind in kinds.items()
    ]
    LedgerStore(engine).append(rows, withheld_at=END)
    score_matured(recorded, as_of=END)

    key = (SYMBOL, 1, "linear")
    with engine.connect() as connection:
        query = text("SELECT quantiles_below FROM scores WHERE model_version = 2")
        expected = connection.execute(query).scalars().all()
    ranks = ScoreStore(engine).read_ranks([key, (SYMBOL, 6, "nobody")], as_of=END, rows=100)
    assert {key: ranks[key].tolist() for key in ranks} == {key: expected}
    skill = ScoreStore(engine).read_skill(SYMBOL, 1, start=hour.date(), end=hour.date())
    assert [(one.hours, one.live_hours) for one in skill if one.contestant == "linear"] == [(1, 1)]


def test_only_outcomes_known_at_the_instant_calibrate(recorded, engine):
    score_matured(recorded, as_of=END)
    key = (SYMBOL, 1, "xgboost")
    store = ScoreStore(engine)
    whole = store.read_ranks([key], as_of=END, rows=10_000)[key]
    early = store.read_ranks([key], as_of=END - timedelta(hours=7), rows=10_000)[key]
    newest = store.read_ranks([key], as_of=END, rows=9)[key]

    assert early.tolist() == whole[:-7].tolist()
    assert newest.tolist() == whole[-9:].tolist()
