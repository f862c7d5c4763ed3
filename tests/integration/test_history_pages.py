"""Pages of history on a real PostgreSQL, beside the plain loop that they must agree with."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from builders import START, make_candles
from model_builders import AS_OF, make_forecast, publish_candles
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.history_pages import HistoryPages, Place, Span
from ringside.adapters.ledger_store import LedgerStore, Score
from ringside.adapters.tables import title_history

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
SYMBOL = "BTC/USDT"


@pytest.fixture
def engine(settings):
    return make_engine(settings)


@pytest.fixture
def pages(engine) -> HistoryPages:
    return HistoryPages(engine)


def crown(engine, contestant: str, version: int, held_from) -> None:
    row = {
        "symbol": SYMBOL, "horizon": 1, "contestant": contestant, "model_version": version,
        "held_from": held_from, "promoted_at": held_from, "promoted_by": "a test", "reason": "",
    }  # fmt: skip
    with transaction(engine) as connection:
        connection.execute(insert(title_history).values(row))


def walk(read, after=None) -> list:
    """Every row, page by page."""
    rows = []
    while True:
        page = read(after)
        rows += page.rows
        if not page.has_more:
            return rows
        after = Place(page.rows[-1]["as_of"], page.rows[-1]["id"])


def test_candles_come_page_by_page_without_gap_or_repeat(engine, pages):
    candles = make_candles(10)
    publish_candles(engine, candles)
    first = pages.read_candles(Span(SYMBOL, START, None, 6))
    rest = pages.read_candles(Span(SYMBOL, first.rows[-1]["open_time"] + HOUR, None, 6))
    assert (first.has_more, rest.has_more) == (True, False)
    assert [row["close"] for row in [*first.rows, *rest.rows]] == candles.close.tolist()
    newest = pages.read_candles(Span(SYMBOL, None, START + 8 * HOUR, 3))
    assert [row["open_time"] for row in newest.rows] == [START + n * HOUR for n in (5, 6, 7)]
    assert not newest.has_more


def test_forecasts_come_in_order_of_time_and_by_filter(engine, pages):
    contestants = ("persistence", "xgboost")
    rows = [
        make_forecast(contestant=name, as_of=AS_OF + n * HOUR, horizon=horizon)
        for n in (2, 0, 1) for name in contestants for horizon in (1, 6)
    ]  # fmt: skip
    LedgerStore(engine).append(SYMBOL, rows)

    end = AS_OF + 2 * HOUR
    span = Span(SYMBOL, AS_OF, end, 3)

    def read(after, **asked):
        filters = {"horizon": None, "contestant": None} | asked
        return pages.read_forecasts(span, **filters, after=after)

    found = walk(read)
    expected = sorted(
        (r.as_of, r.contestant, r.horizon) for r in rows if r.as_of < AS_OF + 2 * HOUR
    )
    assert sorted((r["as_of"], r["contestant"], r["horizon"]) for r in found) == expected
    assert [r["as_of"] for r in found] == [as_of for as_of, _, _ in expected]
    chosen = walk(lambda after: read(after, horizon=6, contestant="xgboost"))
    assert [(r["contestant"], r["horizon"]) for r in chosen] == [("xgboost", 6)] * 2


def test_champion_follows_the_title_through_time(engine, pages):
    crown(engine, "persistence", 1, AS_OF + 2 * HOUR)
    crown(engine, "xgboost", 7, AS_OF + 4 * HOUR)
    ledger = LedgerStore(engine)
    for n in range(6):
        as_of = AS_OF + n * HOUR
        ledger.append(
            SYMBOL,
            [
                make_forecast(
                    contestant="persistence", model_version=0, kind="replayed", as_of=as_of
                ),
                make_forecast(contestant="persistence", model_version=1, as_of=as_of),
                make_forecast(contestant="xgboost", model_version=6, as_of=as_of),
                make_forecast(contestant="xgboost", model_version=7, as_of=as_of),
            ],
        )
    span = Span(SYMBOL, AS_OF, None, 4)
    told = walk(
        lambda after: pages.read_forecasts(span, horizon=None, contestant="champion", after=after)
    )
    held = [(row["contestant"], row["model_version"], row["kind"]) for row in told]
    # before the first reign its first holder stands in
    assert held == [("persistence", 1, "live")] * 4 + [("xgboost", 7, "live")] * 2
    assert [row["as_of"] for row in told] == [AS_OF + n * HOUR for n in range(6)]


def test_what_came_true_stands_beside_the_forecast(engine, pages):
    ledger = LedgerStore(engine)
    ledger.append(SYMBOL, [make_forecast(), make_forecast(as_of=AS_OF + HOUR)])
    span = Span(SYMBOL, None, None, 10)
    asked = {"horizon": 1, "contestant": None, "after": None}
    first, _ = pages.read_forecasts(span, **asked).rows
    assert first["realised_return"] is None
    score = Score(first["id"], 0.01, 0.1, 0.2, 0.01, is_inside_50=False, is_inside_90=True, scored_at=AS_OF)  # fmt: skip  # noqa: E501 - one row
    ledger.write_scores([score])
    first, second = pages.read_forecasts(span, **asked).rows
    assert (first["realised_return"], first["is_inside_50"], first["is_inside_90"]) == (0.01, False, True)  # fmt: skip  # noqa: E501 - one row
    assert second["realised_return"] is None
