"""Verdicts and reigns on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ringside.adapters.database import make_engine
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.verdicts import Reign
from ringside.errors import StoreUnavailableError, TitleError

pytestmark = pytest.mark.integration

AS_OF = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
FIRST = Reign(
    "BTC/USDT", 1, "persistence", 1, AS_OF, AS_OF, "train_challenger by schedule", "first champion"
)
VERDICT = StoredVerdict(
    symbol="BTC/USDT",
    horizon=1,
    as_of=AS_OF + timedelta(days=1),
    outcome="promote_challenger",
    champion="persistence",
    champion_version=1,
    challenger="xgboost",
    challenger_version=3,
    facts={"findings": [{"rival": "xgboost", "p_value": 0.001, "gain_frac": None}]},
    text_en="xgboost wins",
    text_ko="챔피언이 바뀝니다",
    decided_at=AS_OF,
)


@pytest.fixture
def store(settings):
    return TitleStore(make_engine(settings))


def test_nobody_holds_a_new_title(store):
    assert store.read_champion("BTC/USDT", 1) is None


def test_champion_is_the_newest_reign_of_that_title_known_at_as_of(store):
    later = replace(FIRST, contestant="xgboost", held_from=AS_OF + timedelta(hours=1))
    other_title = replace(later, horizon=6, contestant="persistence_ewma")
    for reign in (later, FIRST, other_title):
        store.append_reign(reign)
    assert store.read_champion("BTC/USDT", 1) == later
    assert store.read_champion("BTC/USDT", 1, as_of=AS_OF + timedelta(minutes=59)) == FIRST
    assert store.read_champion("BTC/USDT", 1, as_of=AS_OF - timedelta(seconds=1)) is None
    assert store.read_reigns("BTC/USDT", 1) == [FIRST, later]


def test_appending_a_reign_twice_leaves_one_row(store):
    again = replace(FIRST, promoted_at=AS_OF + timedelta(hours=3), promoted_by="someone else")
    assert [store.append_reign(FIRST), store.append_reign(again)] == [FIRST, FIRST]
    assert store.read_reigns("BTC/USDT", 1) == [FIRST]


def test_a_verdict_leads_to_one_reign_whenever_it_is_recorded(store):
    verdict = store.write_verdict(VERDICT)
    reign = replace(FIRST, contestant="xgboost", model_version=3, verdict_id=verdict.id)
    late = replace(reign, held_from=AS_OF + timedelta(hours=1))
    assert store.append_reign(reign) == store.append_reign(late) == reign
    assert store.find_reign_of(verdict.id) == reign


def test_two_contestants_cannot_hold_a_title_from_the_same_instant(store):
    store.append_reign(FIRST)
    with pytest.raises(TitleError, match="persistence already holds BTC/USDT h1"):
        store.append_reign(replace(FIRST, contestant="xgboost"))


def test_a_verdict_is_stored_once_and_comes_back_whole(store):
    first = store.write_verdict(VERDICT)
    second = store.write_verdict(replace(VERDICT, outcome="keep_champion", text_en="another"))
    assert first == second == replace(VERDICT, id=first.id)
    assert store.read_verdict(first.id) == first
    assert store.read_verdicts("BTC/USDT", 1) == [first]
    assert store.read_verdicts("BTC/USDT", 1, as_of=AS_OF) == []


def test_unknown_verdict_is_named(store):
    with pytest.raises(TitleError, match="there is no verdict 404"):
        store.read_verdict(404)


def test_a_database_that_is_down_is_worth_a_retry(settings):
    url = "postgresql+psycopg://nobody:x@127.0.0.1:9/none"
    gone = settings.model_validate({"database_url": url})
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:9/none"):
        TitleStore(make_engine(gone)).read_champion("BTC/USDT", 1)
