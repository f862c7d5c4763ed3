"""Which instant a run stands for, in each of the ways a run can start."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from ringside.errors import SettingsError
from ringside_airflow.clock import RunInstant, begin_run, find_instant, to_market_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_run(*, interval_end=None, stamps=(), run_after=NOON):
    events = [SimpleNamespace(extra={"as_of": stamp} if stamp else {}) for stamp in stamps]
    return SimpleNamespace(
        dag_id="a_dag",
        run_id="a_run",
        data_interval_end=interval_end,
        run_after=run_after,
        consumed_asset_events=events,
    )


def test_what_was_asked_by_hand_comes_first_and_is_market_time():
    run = make_run(interval_end=NOON, stamps=["2026-03-01T11:00:00+00:00"])
    asked = find_instant({"as_of": "2026-02-01T09:00:00+09:00"}, run)
    assert asked == RunInstant(datetime(2026, 2, 1, tzinfo=UTC), is_market_time=True)


def test_newest_of_several_events_counts():
    stamps = ["2026-03-01T09:00:00+00:00", "2026-03-01T11:00:00+00:00", None]
    found = find_instant({"as_of": None}, make_run(stamps=stamps))
    assert found == RunInstant(NOON - timedelta(hours=1), is_market_time=True)


def test_event_without_a_time_leaves_the_runs_own():
    assert find_instant({}, make_run(stamps=[None])) == RunInstant(NOON, is_market_time=False)


def test_scheduled_run_stands_for_the_end_of_its_interval():
    late = make_run(interval_end=NOON, run_after=NOON + timedelta(hours=5))
    assert find_instant({}, late) == RunInstant(NOON, is_market_time=False)


def test_run_by_hand_has_no_interval_and_stands_for_its_start():
    assert find_instant({}, make_run()) == RunInstant(NOON, is_market_time=False)


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00", "yesterday"])
def test_instant_that_could_mean_two_things_is_refused(text):
    with pytest.raises(SettingsError, match=text):
        find_instant({"as_of": text}, make_run())


def test_only_real_time_is_translated(monkeypatch):
    from ringside.jobs import clock

    year = timedelta(days=365)
    monkeypatch.setattr(clock, "read_market_time", lambda settings, *, real_time: real_time - year)
    assert to_market_time(None, RunInstant(NOON, is_market_time=True)) == NOON
    assert to_market_time(None, RunInstant(NOON, is_market_time=False)) == NOON - year


def test_time_of_a_run_is_left_for_the_tasks_to_come(instance):
    params = {"as_of": "2026-03-01T12:00:00Z"}
    assert begin_run(None, params=params, dag_run=make_run(), ti=instance) == NOON
    assert instance.xcoms == {"as_of": "2026-03-01T12:00:00+00:00"}
