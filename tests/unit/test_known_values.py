from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringside.core.known_values import AUXILIARY, KnownValues, join_known

HOUR = np.timedelta64(1, "h")


def days(*texts):
    return np.array(texts, dtype="datetime64[s]")


@pytest.mark.parametrize(
    ("name", "stamp", "known"),
    [
        ("ndx", "2025-03-07", "2025-03-07T21:00"),  # a Friday in winter time
        ("ndx", "2025-03-10", "2025-03-10T20:00"),  # the Monday after, in summer time
        ("ndx", "2025-10-31", "2025-10-31T20:00"),  # Europe is back already, New York is not
        ("ndx", "2025-11-03", "2025-11-03T21:00"),
        ("vix", "2025-07-10", "2025-07-10T20:15"),
        ("gold", "2025-07-10T13:00", "2025-07-10T14:00"),
    ],
)
def test_a_value_is_known_when_its_session_or_bar_has_ended(name, stamp, known):
    stamps = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (stamp, known)]
    assert AUXILIARY[name].known_at(stamps[0]) == stamps[1]


def test_a_naive_stamp_is_refused():
    with pytest.raises(ValueError, match="naive"):
        AUXILIARY["vix"].known_at(datetime(2025, 1, 1))  # noqa: DTZ001  # what is refused


def test_joined_by_date_it_would_leak_and_by_known_at_it_does_not():
    """A series that tells the day's last price: by its date it forecasts the day perfectly."""
    rng = np.random.default_rng(1)
    at = days("2025-01-06") + np.arange(1, 24 * 30 + 1) * HOUR
    price = np.cumsum(rng.normal(size=len(at)))
    ndx = AUXILIARY["ndx"]
    stamps = [datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=day) for day in range(29)]
    known_at = np.array(
        [ndx.known_at(stamp).replace(tzinfo=None) for stamp in stamps], dtype="datetime64[s]"
    )
    close = np.array([price[np.flatnonzero(at == moment)[0]] for moment in known_at])
    by_date = days(*(stamp.date().isoformat() for stamp in stamps))
    leaky = join_known(KnownValues(by_date, close), at, max_age_hours=200)
    honest = join_known(KnownValues(known_at, close), at, max_age_hours=200)
    future = np.full(len(at), np.nan)
    future[:-12] = price[12:] - price[:-12]

    def tell(joined):
        is_there = np.isfinite(joined.value) & np.isfinite(future)
        return np.corrcoef((joined.value - price)[is_there], future[is_there])[0, 1]

    assert tell(leaky) > 0.4
    assert abs(tell(honest)) < 0.25
    tampered = close.copy()
    tampered[known_at > at[300]] = 1e9
    again = join_known(KnownValues(known_at, tampered), at, max_age_hours=200)
    np.testing.assert_array_equal(again.value[:301], honest.value[:301])


def test_a_value_is_never_carried_on_past_its_maximum_age():
    known = KnownValues(days("2025-01-01T10:00"), np.array([7.0]))
    at = days("2025-01-01T09:59:59", "2025-01-01T10:00", "2025-01-01T13:00", "2025-01-01T13:00:01")
    joined = join_known(known, at, max_age_hours=3)
    np.testing.assert_array_equal(joined.value, [np.nan, 7.0, 7.0, np.nan])
    np.testing.assert_array_equal(joined.age_hours, [np.nan, 0.0, 3.0, np.nan])


def test_unsorted_values_are_refused():
    known = KnownValues(days("2025-01-02", "2025-01-01"), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="sorted"):
        join_known(known, days("2025-01-03"), max_age_hours=1)


@given(
    known=st.lists(st.integers(0, 200), max_size=20).map(sorted),
    at=st.lists(st.integers(-5, 250), max_size=20),
    max_age=st.integers(0, 60),
)
def test_the_join_is_what_a_loop_would_find(known, at, max_age):
    zero = np.datetime64("2025-01-01", "s")
    values = KnownValues(zero + np.array(known, dtype=int) * HOUR, np.arange(len(known)) * 1.0)
    joined = join_known(values, zero + np.array(at, dtype=int) * HOUR, max_age_hours=max_age)
    expected = []
    for moment in at:
        before = [n for n, hour in enumerate(known) if hour <= moment]
        young = before and moment - known[before[-1]] <= max_age
        expected.append(float(before[-1]) if young else np.nan)
    np.testing.assert_array_equal(joined.value, expected)
