"""The platform's promise: a better challenger reaches callers, a worse one does not.

One platform serves all tests, which build on each other from top to bottom. Two series: one with
a planted pattern, one a random walk; the market clock puts "now" 30 days before their end.
"""

import signal
import time

import httpx
import pytest

from builders import make_candles, make_predictable_returns, write_candle_file
from e2e.stack import PARTS, Stack

PLANTED, WALK = "PLANTED/USDT", "WALK/USDT"
CHALLENGERS = {"xgboost", "linear"}
HOURS = 160 * 24

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    returns = make_predictable_returns(HOURS, seed=1)
    write_candle_file(make_candles(HOURS, symbol=PLANTED, returns=returns, seed=1), folder)
    write_candle_file(make_candles(HOURS, symbol=WALK, seed=2), folder)
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory, data):
    stack = Stack(
        tmp_path_factory.mktemp("platform"),
        data,
        (PLANTED, WALK),
        RINGSIDE_HORIZONS="1,6",
        RINGSIDE_HISTORY_DAYS="125",
        RINGSIDE_TRAIN_DAYS="60",
        RINGSIDE_RECORD_WEEKS="8",
    )
    stack.start()
    yield stack
    stack.stop()


def read_champions(stack: Stack, symbol: str) -> dict[int, str]:
    answer = httpx.get(f"{stack.serving_url}/v1/forecast", params={"symbol": symbol}, timeout=20)
    assert answer.status_code == 200, answer.text
    return {f["horizon"]: f["contestant"] for f in answer.json()["forecasts"]}


def test_serving_says_that_it_has_no_champion_yet(stack):
    assert httpx.get(f"{stack.serving_url}/livez", timeout=20).status_code == 200
    assert httpx.get(f"{stack.serving_url}/readyz", timeout=20).status_code == 503


def test_history_is_ingested_audited_and_published(stack):
    state, tasks = stack.trigger("ingest_candles")

    assert (state, set(tasks.values())) == ("success", {"success"})
    counts = stack.query("SELECT symbol, count(*) FROM candles GROUP BY symbol ORDER BY symbol")
    assert [symbol for symbol, _ in counts] == [PLANTED, WALK]
    assert all(count >= 125 * 24 for _, count in counts)
    assert stack.query("SELECT count(*) FROM quarantined_candles") == [(0,)]


def test_an_audit_is_one_click_from_its_task_for_who_is_logged_in(stack):
    run = stack.asked_runs["ingest_candles"]
    links = f"/dags/ingest_candles/dagRuns/{run}/taskInstances/audit_candles/links"
    page = stack.api.get(links).json()["extra_links"]["Audit"]
    address = f"http://127.0.0.1:{stack.ports['airflow']}{page}"
    assert httpx.get(address, timeout=20).status_code == 401
    shown = httpx.get(address, headers=stack.api.headers, timeout=20)
    assert (shown.status_code, "rows refused" in shown.text) == (200, True)


def test_training_enters_every_contestant_and_crowns_the_naive_forecast(stack):
    state, _ = stack.trigger("train_challenger")

    assert state == "success"
    ready = f"{stack.serving_url}/readyz"
    stack.wait_until(lambda: httpx.get(ready, timeout=20).status_code == 200, timeout_s=30)
    assert read_champions(stack, PLANTED) == {1: "persistence", 6: "persistence"}
    replayed = stack.query("SELECT count(*) FROM forecasts WHERE kind = 'replayed'")[0][0]
    assert replayed >= 2 * 2 * 3 * 1200  # series, horizons, contestants, most hours of eight weeks


def test_better_challenger_reaches_callers_without_a_failed_request(stack):
    with stack.steady_traffic(PLANTED) as traffic:
        state, tasks = stack.trigger("decide_title")
        time.sleep(1)

    assert (state, tasks["promote_challenger"], tasks["record_title"]) == ("success",) * 3
    assert traffic.failures == []
    assert traffic.versions[0] != traffic.versions[-1]
    assert set(read_champions(stack, PLANTED).values()) <= CHALLENGERS
    last = stack.query(
        "SELECT contestant FROM title_history WHERE symbol = 'PLANTED/USDT' AND horizon = 1"
        " ORDER BY held_from"
    )
    assert [row[0] in CHALLENGERS for row in last] == [False, True]


def test_its_twin_the_random_walk_keeps_the_naive_champion(stack):
    outcomes = stack.query("SELECT DISTINCT outcome FROM verdicts WHERE symbol = 'WALK/USDT'")

    assert outcomes == [("keep_champion",)]
    assert read_champions(stack, WALK) == {1: "persistence", 6: "persistence"}


def test_verdict_is_told_in_words_in_the_task_log(stack):
    log = stack.read_log("decide_title", "decide")

    assert any(name in log for name in CHALLENGERS)
    assert "챔피언" in log


def test_next_hour_is_forecast_on_the_record_and_twice_is_once(stack):
    stack.trigger("issue_forecasts")
    live = "SELECT count(*), count(DISTINCT (symbol, horizon, contestant, model_version, as_of))"
    live += " FROM forecasts WHERE kind <> 'replayed'"
    first = stack.query(live)
    stack.trigger("issue_forecasts")

    assert first[0][0] == first[0][1] > 0
    assert stack.query(live) == first


def test_reports_are_drawn_after_the_decision(stack):
    stack.wait_until(lambda: stack.count_runs("publish_reports", "success") > 0, timeout_s=300)

    assert list((stack.state / "reports").rglob("*.svg"))
    assert list((stack.state / "reports").rglob("index.html"))


def test_bad_candle_is_stopped_and_the_run_fails_loudly(stack, data):
    hour = 100 * 24
    returns = make_predictable_returns(HOURS, seed=1)
    poisoned = make_candles(HOURS, symbol=PLANTED, returns=returns, seed=1)
    before = stack.query("SELECT count(*), sum(close) FROM candles WHERE symbol = 'PLANTED/USDT'")
    opened = poisoned.open_time[hour].astype(str)
    poisoned.high[hour], poisoned.low[hour] = poisoned.low[hour], poisoned.high[hour]
    write_candle_file(poisoned, data)

    state, tasks = stack.trigger(
        "ingest_candles",
        start=f"{poisoned.open_time[hour - 20]}+00:00",
        end=f"{poisoned.open_time[hour + 20]}+00:00",
    )

    assert (state, tasks["require_clean_audit"]) == ("failed", "failed")
    assert tasks["publish_candles"] == "success"
    kept = stack.query("SELECT symbol, open_time::text FROM quarantined_candles")
    assert kept == [(PLANTED, f"{opened.replace('T', ' ')}+00")]
    after = stack.query("SELECT count(*), sum(close) FROM candles WHERE symbol = 'PLANTED/USDT'")
    assert after == before


def test_platform_comes_back_after_every_process_was_killed(stack):
    tables = ("candles", "forecasts", "verdicts", "title_history")
    count = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    before = stack.query(count)
    champions = read_champions(stack, PLANTED)
    processes = stack.find_processes()
    for process in processes:
        process.send_signal(signal.SIGKILL)

    assert len(processes) >= len(PARTS) + 1  # and what keeps them
    stack.start()
    assert read_champions(stack, PLANTED) == champions
    state, _ = stack.trigger("issue_forecasts")
    assert state == "success"
    after = stack.query(count)
    assert [b <= a for b, a in zip(before[0], after[0], strict=True)] == [True] * 4
    doubled = stack.query(
        "SELECT count(*) FROM (SELECT 1 FROM forecasts GROUP BY symbol, horizon, contestant,"
        " model_version, as_of HAVING count(*) > 1) AS doubled"
    )
    assert doubled == [(0,)]


def test_second_run_reuses_everything(stack):
    said = stack.start()

    assert stack.secrets["airflow_admin_password"] not in said
