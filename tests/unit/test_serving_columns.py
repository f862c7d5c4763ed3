"""Columns read whole are what reading each entry gives, faults and their places included."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from forecast_api.schemas.base import Instant
from forecast_api.schemas.columns import MAX_CANDLES, Instants, Prices, Volumes

LENGTH = Field(min_length=1, max_length=MAX_CANDLES)
PRICE = Annotated[FiniteFloat, Field(gt=0, lt=1e15, strict=True)]
VOLUME = Annotated[FiniteFloat, Field(ge=0, lt=1e15, strict=True)]
SOUND = st.floats(0, 1e15, exclude_max=True) | st.integers(0, 10**14)
ODD = st.sampled_from(
    [0, -0.0, -1.0, 5e-324, -5e-324, 1e15, 10**400, 10**15, True, False, None, "1", [], {},
     float("nan"), float("inf")]
)  # fmt: skip


def read(kind, sent: object) -> tuple[list, list]:
    """Values, or else the place and the kind of each fault."""
    try:
        found = TypeAdapter(kind).validate_json(json.dumps(sent))
    except ValidationError as error:
        return [], [(fault["loc"], fault["type"]) for fault in error.errors()]
    return list(found), []


@pytest.mark.parametrize(("whole", "one"), [(Prices, PRICE), (Volumes, VOLUME)])
def test_numbers_are_those_of_reading_each(whole, one):
    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(st.lists(SOUND, max_size=9) | st.lists(SOUND | ODD, max_size=5) | ODD)
    def check(sent):
        assert read(whole, sent) == read(Annotated[list[one], LENGTH], sent)

    check()
    long = [1.5] * (MAX_CANDLES + 1)
    assert read(whole, long) == read(Annotated[list[one], LENGTH], long)


START = datetime(2025, 1, 31, 9, tzinfo=UTC)
HOURS = [START + timedelta(hours=hour) for hour in range(40)]
ZONES = [timezone(timedelta(minutes=minutes)) for minutes in (0, 540, -330)]
WRITINGS = [
    [at.isoformat().replace("+00:00", "Z") for at in HOURS],
    *([at.astimezone(zone).isoformat() for at in HOURS] for zone in ZONES),
    [at.astimezone(ZONES[i % 3]).isoformat() for i, at in enumerate(HOURS)],
    [at.isoformat(timespec="microseconds") for at in HOURS],
    [at.strftime("%Y-%m-%dt%H:%Mz") for at in HOURS],
]


@pytest.mark.parametrize("sent", WRITINGS)
def test_instants_are_the_same_however_they_are_written(sent):
    expected = [np.datetime64(at.replace(tzinfo=None)) for at in HOURS]
    assert read(Instants, sent) == (expected, [])


FAULTS = [
    "2025-02-30T09:00:00Z", "2025-01-31T24:00:00Z", "2025-01-31T09:00:60Z", "0000-01-31T09:00:00Z",
    "2025-01-31 09:00:00Z", "2025/01/31T09:00:00Z", "2025-01-31T09:00:0\u0661Z",
    "2025-01-31T09:00: 0Z", "2025-01-31T09:00:00", "2025-01-31T09:00:00+25:00", "", "yesterday",
    1738314000, 1.5, True, None, [], {},
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("place", [0, 1, 39])
def test_what_is_no_instant_is_named_by_its_place(fault, place):
    sent = [*WRITINGS[0][:place], fault, *WRITINGS[0][place + 1 :]]
    if isinstance(fault, str):
        assert read(Instants, sent) == read(Annotated[list[Instant], LENGTH], sent)
    _, found = read(Instants, sent)
    assert [loc for loc, _ in found] == [(place,)]


def test_entries_that_only_fit_together_are_no_instants():
    first, second, *rest = WRITINGS[0]
    _, found = read(Instants, [first + second[0], second[1:], *rest])
    assert [loc for loc, _ in found] == [(0,), (1,)]


@pytest.mark.parametrize("sent", [[], None, 5, "2025-01-31T09:00:00Z", {}, WRITINGS[0] * 26])
def test_what_is_no_column_is_refused(sent):
    assert len(read(Instants, sent)[1]) == 1
    assert len(read(Prices, sent)[1]) == 1
