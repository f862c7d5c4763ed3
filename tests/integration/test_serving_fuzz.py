"""Ten thousand bodies nobody would send on purpose: each gets an answer or a problem document."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import make_candles
from forecast_api import create_app
from forecast_api.champions import load_champions
from forecast_api.last_good import LastGood
from forecast_api.lineup import Candidate, Lineup
from ringside.core.candles import to_datetime
from ringside.core.features import LOOKBACK
from serving_builders import TITLES, make_copy, make_desk

pytestmark = pytest.mark.integration

BODIES_A_ROUND, ROUNDS = 50, 200
CANDLES = make_candles(180, seed=4)
COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
SOUND = {
    "open_time": [to_datetime(at).isoformat() for at in CANDLES.open_time],
    **{name: getattr(CANDLES, name).tolist() for name in COLUMNS[1:]},
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["2025-01-01T00:00:00Z", "2025-01-01T00:30:00Z", "0001-01-01T00:00:00+14:00", "-1", "NaN"]
    ),
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.text(max_size=3), scalars, max_size=2),
)
places = st.sampled_from([0, 1, 90, 178, 179])


@st.composite
def bodies(draw) -> bytes:
    """A sound body with one to three faults put in, or no body at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.binary(max_size=40), values.map(json.dumps).map(str.encode)))
    window = {name: list(column) for name, column in SOUND.items()}
    body = {"symbol": "BTC/USDT", "windows": [window]}
    for _ in range(draw(st.integers(1, 3))):
        column = draw(st.sampled_from(COLUMNS))
        match draw(st.integers(0, 6)):
            case 0:
                window[column] = draw(values)
            case 1:
                window.pop(column, None)
            case 2:
                body[draw(st.sampled_from(["symbol", "windows", "more"]))] = draw(values)
            case 3:
                window[draw(st.text(max_size=5))] = draw(values)
            case 4 if isinstance(window.get(column), list):
                window[column] = window[column][: draw(places)]
            case _ if isinstance(window.get(column), list) and window[column]:
                window[column][draw(places) % len(window[column])] = draw(values)
    return json.dumps(body).encode()


def test_every_fuzzed_body_gets_an_answer_or_a_problem_document(tmp_path):
    for title in TITLES:
        make_copy(tmp_path, title, 1, "xgboost", seed=1)
    lineup = Lineup(1, tuple(Candidate(title, 1, "registry") for title in TITLES), ())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    champions = load_champions(lineup, LastGood(tmp_path), loaded_at=now)
    desk = make_desk(make_candles(LOOKBACK, seed=3), champions, tmp_path, now=now)
    client = create_app(lambda: desk, ("BTC/USDT",)).test_client()
    statuses: dict[int, int] = {}

    @settings(
        max_examples=ROUNDS,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(bodies(), min_size=BODIES_A_ROUND, max_size=BODIES_A_ROUND))
    def send(round_):
        for body in round_:
            answer = client.post("/v1/predict", data=body, content_type="application/json")
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (answer.text, body[:300])
            if answer.status_code >= 400:
                assert answer.content_type == "application/problem+json"
                assert answer.json["status"] == answer.status_code
                assert answer.json["errors"]

    send()
    assert sum(statuses.values()) >= BODIES_A_ROUND * ROUNDS
    assert {200, 400, 422} <= set(statuses), statuses
