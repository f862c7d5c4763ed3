"""The ledger on a real PostgreSQL: appended once, chained, never changed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from model_builders import AS_OF, make_forecast
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore
from ringside.errors import LedgerError, StoreUnavailableError

pytestmark = pytest.mark.integration

SYMBOL = "BTC/USDT"


@pytest.fixture
def engine(settings):
    return make_engine(settings)


@pytest.fixture
def ledger(engine):
    return LedgerStore(engine)


def make_hours(count, **changes):
    return [make_forecast(as_of=AS_OF + timedelta(hours=i), **changes) for i in range(count)]


def read_stored(engine):
    query = "SELECT as_of, q05, prev_hash, row_hash FROM forecasts ORDER BY id"
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


def test_rows_chain_in_the_order_given(ledger, engine):
    rows = make_hours(3)
    assert ledger.append(SYMBOL, rows) == 3
    stored = read_stored(engine)

    assert [row.as_of for row in stored] == [row.as_of for row in rows]
    assert [row.prev_hash for row in stored] == ["0" * 64, stored[0].row_hash, stored[1].row_hash]
    assert ledger.verify_chain(SYMBOL) == 3


def test_known_rows_are_left_even_when_their_numbers_differ(ledger, engine):
    ledger.append(SYMBOL, make_hours(3))
    before = read_stored(engine)

    changed = make_hours(4, quantiles=(-0.5, -0.1, 0.0, 0.1, 0.5))

    assert ledger.append(SYMBOL, changed) == 1
    assert read_stored(engine)[:3] == before
    assert ledger.verify_chain(SYMBOL) == 4


def test_symbols_have_chains_of_their_own(ledger):
    ledger.append(SYMBOL, make_hours(2))
    ledger.append("ETH/USDT", make_hours(2, symbol="ETH/USDT"))
    ledger.append(SYMBOL, make_hours(4))

    assert (ledger.verify_chain(SYMBOL), ledger.verify_chain("ETH/USDT")) == (4, 2)
    assert ledger.read_symbols() == [SYMBOL, "ETH/USDT"]


def test_another_symbols_row_is_not_taken(ledger):
    with pytest.raises(ValueError, match="cannot join"):
        ledger.append(SYMBOL, [make_forecast(symbol="ETH/USDT")])


def test_writers_at_the_same_time_leave_one_unbroken_chain(settings):
    def append(version: int) -> int:
        ledger = LedgerStore(make_engine(settings))
        return sum(
            ledger.append(SYMBOL, make_hours(5, model_version=version, horizon=horizon))
            for horizon in (1, 6, 24)
        )

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(append, [1, 1, 2, 3]))

    assert sum(added) == 3 * 15
    assert LedgerStore(make_engine(settings)).verify_chain(SYMBOL) == 45


@pytest.mark.parametrize(
    "statement",
    ["UPDATE forecasts SET q05 = -1", "DELETE FROM forecasts"],
)
def test_database_refuses_to_change_a_forecast(ledger, engine, statement):
    ledger.append(SYMBOL, make_hours(1))
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE forecasts SET q05 = q05 - 1e-15 WHERE as_of = :as_of", 2),
        ("UPDATE forecasts SET issued_at = issued_at - INTERVAL '1 hour' WHERE as_of = :as_of", 2),
        ("DELETE FROM forecasts WHERE as_of = :as_of", 3),
    ],
)
def test_tampering_behind_the_trigger_is_found_and_named(ledger, engine, postgres, statement, row):
    ledger.append(SYMBOL, make_hours(4))
    with postgres.connect(engine.url.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.replace(":as_of", "%s"), [AS_OF + timedelta(hours=1)])

    with pytest.raises(LedgerError, match=rf"does not hold at row {row} "):
        ledger.verify_chain(SYMBOL)


def test_replayed_hours_are_told_from_issued_ones(ledger):
    ledger.append(SYMBOL, make_hours(3, model_version=0, kind="replayed"))
    ledger.append(SYMBOL, [make_forecast(as_of=AS_OF + timedelta(hours=5), model_version=7)])

    hours = {AS_OF + timedelta(hours=i) for i in (1, 2)}
    start, end = AS_OF + timedelta(hours=1), AS_OF + timedelta(hours=9)
    assert ledger.read_replayed(SYMBOL, 1, "persistence", start=start, end=end) == hours
    assert ledger.read_first_issued(SYMBOL) == AS_OF + timedelta(hours=5)
    assert ledger.read_first_issued("ETH/USDT") is None


def test_silent_database_is_worth_a_retry(settings):
    nowhere = type(settings.database_url)("postgresql+psycopg://a:b@127.0.0.1:9/c")
    ledger = LedgerStore(make_engine(settings.model_copy(update={"database_url": nowhere})))
    with pytest.raises(StoreUnavailableError):
        ledger.read_symbols()
