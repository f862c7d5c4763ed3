"""The wait that a venue asks for decides when, and whether, its task is tried again."""

from datetime import timedelta

import pytest
from airflow.sdk import RetryDecision

from ringside.errors import RateLimitedError, SourceUnavailableError
from ringside_airflow.retries import LONGEST_WAIT, WaitAsAsked


def decide(error):
    return WaitAsAsked().evaluate(error, 1, 2)


def test_the_venues_own_wait_is_kept():
    decision = decide(RateLimitedError("slow down", retry_after_s=120))
    assert decision.action.value == "retry"
    assert decision.retry_delay == timedelta(seconds=121)


def test_a_ban_longer_than_the_hour_is_left_to_the_next_run():
    decision = decide(RateLimitedError("banned", retry_after_s=LONGEST_WAIT.total_seconds()))
    assert decision.action.value == "fail"


@pytest.mark.parametrize(
    "error", [RateLimitedError("slow down"), SourceUnavailableError("502"), OSError()]
)
def test_without_a_wait_the_usual_delays_hold(error):
    assert decide(error) == RetryDecision.default()


def test_fetching_keeps_the_venues_wait(dag_bag):
    fetch = dag_bag.dags["ingest_candles"].get_task("fetch")
    assert isinstance(fetch.partial_kwargs["retry_policy"], WaitAsAsked)
