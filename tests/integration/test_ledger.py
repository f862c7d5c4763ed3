"""The ledger on a real PostgreSQL: appended once, chained, never changed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from model_builders import AS_OF, make_forecast
from ringside.adapters.database import make_engine
from ringside.adapters.ledger_store import LedgerStore, to_forecast
from ringside.adapters.tables import forecasts
from ringside.core.forecasts import FIRST_HASH, Withheld, hash_forecast
from ringside.errors import LedgerError, StoreUnavailableError

pytestmark = pytest.mark.integration

SYMBOL = "BTC/USDT"
QUANTILES = ("q05", "q25", "q50", "q75", "q95")
COLUMNS = [column.name for column in forecasts.columns]


@pytest.fixture
def engine(settings):
    return make_engine(settings)


@pytest.fixture
def ledger(engine):
    return LedgerStore(engine)


def make_hours(count, **changes):
    return [make_forecast(as_of=AS_OF + timedelta(hours=i), **changes) for i in range(count)]


def append(ledger, rows, withheld=()):
    return ledger.append(rows, withheld, withheld_at=AS_OF)


def read_stored(engine):
    query = "SELECT as_of, q05, prev_hash, row_hash FROM forecasts ORDER BY id"
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


def test_rows_chain_in_the_order_given(ledger, engine):
    rows = make_hours(3)
    assert append(ledger, rows) == 3
    stored = read_stored(engine)

    assert [row.as_of for row in stored] == [row.as_of for row in rows]
    assert [row.prev_hash for row in stored] == ["0" * 64, stored[0].row_hash, stored[1].row_hash]
    assert ledger.verify_chain(SYMBOL) == 3


def test_known_rows_are_left_even_when_their_numbers_differ(ledger, engine):
    append(ledger, make_hours(3))
    before = read_stored(engine)

    changed = make_hours(4, quantiles=(-0.5, -0.1, 0.0, 0.1, 0.5))

    assert append(ledger, changed) == 1
    assert read_stored(engine)[:3] == before
    assert ledger.verify_chain(SYMBOL) == 4


def test_symbols_have_chains_of_their_own(ledger):
    append(ledger, make_hours(2))
    append(ledger, make_hours(2, symbol="ETH/USDT"))
    append(ledger, make_hours(4))

    assert (ledger.verify_chain(SYMBOL), ledger.verify_chain("ETH/USDT")) == (4, 2)
    assert ledger.read_symbols() == [SYMBOL, "ETH/USDT"]


def test_one_append_serves_several_chains(ledger):
    rows = make_hours(2) + make_hours(3, symbol="ETH/USDT") + make_hours(1, horizon=6)

    assert append(ledger, rows) == 6
    assert (ledger.verify_chain(SYMBOL), ledger.verify_chain("ETH/USDT")) == (3, 3)


def test_what_a_forecast_stood_on_comes_back_to_the_last_bit(ledger, engine):
    shifts, ages = (-0.1, 1 / 3, 0.0, 1e-17, 0.2), {"candles": 0.0, "vix": 1 / 7, "gold": None}
    append(ledger, [make_forecast(shifts=shifts, input_ages=ages)])
    with engine.connect() as connection:
        row = connection.execute(select(forecasts)).mappings().one()

    stored = to_forecast(row)
    assert (stored.shifts, stored.input_ages, stored.hash_form) == (shifts, ages, 2)
    assert ledger.verify_chain(SYMBOL) == 1


def test_rows_written_before_shifts_were_known_go_on_verifying(ledger, engine):
    old = make_forecast(hash_form=1)
    row_hash = hash_forecast(old, FIRST_HASH)
    with engine.begin() as connection:
        values = vars(old) | dict(zip(QUANTILES, old.quantiles, strict=True))
        values |= {"target_time": old.target_time, "prev_hash": FIRST_HASH, "row_hash": row_hash}
        values |= {"shifts": None, "input_ages": None}
        connection.execute(insert(forecasts).values({k: values[k] for k in COLUMNS if k in values}))
    append(ledger, [make_forecast(as_of=AS_OF + timedelta(hours=1))])

    assert ledger.verify_chain(SYMBOL) == 2


def test_withheld_forecasts_are_on_the_record_once(ledger):
    gap = Withheld(SYMBOL, 0, "", 0, AS_OF, "the candle is missing")
    refused = Withheld(SYMBOL, 6, "xgboost", 3, AS_OF, "checksum differs")
    append(ledger, [], [gap, refused])
    append(ledger, [], [Withheld(SYMBOL, 0, "", 0, AS_OF, "said again")])

    end = AS_OF + timedelta(hours=1)
    assert ledger.read_withheld(SYMBOL, start=AS_OF, end=end) == [gap, refused]
    assert ledger.read_withheld(SYMBOL, start=end, end=end + timedelta(days=1)) == []


def test_writers_at_the_same_time_leave_one_unbroken_chain(settings):
    def write(version: int) -> int:
        ledger = LedgerStore(make_engine(settings))
        return sum(
            append(ledger, make_hours(5, model_version=version, horizon=horizon))
            for horizon in (1, 6, 24)
        )

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(write, [1, 1, 2, 3]))

    assert sum(added) == 3 * 15
    assert LedgerStore(make_engine(settings)).verify_chain(SYMBOL) == 45


@pytest.mark.parametrize(
    "statement",
    ["UPDATE forecasts SET q05 = -1", "DELETE FROM forecasts"],
)
def test_database_refuses_to_change_a_forecast(ledger, engine, statement):
    append(ledger, make_hours(1))
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE forecasts SET q05 = q05 - 1e-15 WHERE as_of = :as_of", 2),
        ("UPDATE forecasts SET shifts[2] = 0.5 WHERE as_of = :as_of", 2),
        ("""UPDATE forecasts SET input_ages = '{"candles": 9}' WHERE as_of = :as_of""", 2),
        ("UPDATE forecasts SET hash_form = 1 WHERE as_of = :as_of", 2),
        ("UPDATE forecasts SET hash_form = 7 WHERE as_of = :as_of", 2),
        ("UPDATE forecasts SET issued_at = issued_at - INTERVAL '1 hour' WHERE as_of = :as_of", 2),
        ("DELETE FROM forecasts WHERE as_of = :as_of", 3),
    ],
)
def test_tampering_behind_the_trigger_is_found_and_named(ledger, engine, postgres, statement, row):
    append(ledger, make_hours(4))
    with postgres.connect(engine.url.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.replace(":as_of", "%s"), [AS_OF + timedelta(hours=1)])

    with pytest.raises(LedgerError, match=rf"does not hold at row {row} "):
        ledger.verify_chain(SYMBOL)


def test_replayed_hours_are_told_from_issued_ones(ledger):
    append(ledger, make_hours(3, model_version=0, kind="replayed"))
    append(ledger, [make_forecast(as_of=AS_OF + timedelta(hours=5), model_version=7)])

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
