"""Columns of a caller's candles: read whole where all is well, one by one where a fault is named.

A body may hold half a million numbers. Reading a column whole takes what reading its entries one
by one would take, or a part of it; whatever it does not take is read again by the schema of one
entry, which accepts it or names the fault and its place.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import AwareDatetime, BeforeValidator, Field, FiniteFloat, GetPydanticSchema
from pydantic_core import CoreSchema, core_schema

from forecast_api.schemas.base import read_instant
from ringside.core.candles import Floats, Times

MAX_CANDLES = 1_000
TOO_LARGE = 1e15

OneByOne = Callable[[Any], list[Any]]


def read_numbers(sent: object, one_by_one: OneByOne, *, least: float) -> Floats:
    """Read numbers from `least` on and below `TOO_LARGE`.

    Args:
        sent: Whatever the JSON had in the place of the column.
        one_by_one: Reads it by the schema of one number, and raises what the caller is told.
        least: The smallest number that is taken.
    """
    if isinstance(sent, list) and 0 < len(sent) <= MAX_CANDLES and _are_numbers(sent):
        column = np.array(sent, dtype=np.float64)
        if column.min() >= least and column.max() < TOO_LARGE:
            return column
    return np.array(one_by_one(sent), dtype=np.float64)


def _are_numbers(sent: list[Any]) -> bool:
    """Tell whether all are numbers; true and false are none, and a large whole one is left out."""
    kinds = set(map(type, sent))
    return kinds == {float} or (kinds <= {float, int} and max(map(abs, sent)) < TOO_LARGE)


def read_instants(sent: object, one_by_one: OneByOne) -> Times:
    """Read instants of RFC 3339, `datetime64[us]` in UTC; arguments as of `read_numbers`."""
    if isinstance(sent, list) and 0 < len(sent) <= MAX_CANDLES:
        alike = _read_alike(sent)
        if alike is not None:
            return alike
    return np.array([at.replace(tzinfo=None) for at in one_by_one(sent)], dtype="datetime64[us]")


_TO_THE_SECOND = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})", re.ASCII)
_WIDTH = len("2025-01-31T09:00:00")
_MARKS = np.array([4, 7, 10, 13, 16])
_DIGITS = np.setdiff1d(np.arange(_WIDTH), _MARKS)


def _read_alike(sent: list[Any]) -> Times | None:
    """Read instants to the second that share one offset; None where these are others."""
    if set(map(type, sent)) != {str} or not _TO_THE_SECOND.fullmatch(sent[0]):
        return None
    first, text = sent[0], "".join(sent)
    if set(map(len, sent)) != {len(first)} or not text.isascii():
        return None
    letters = np.frombuffer(text.encode(), dtype=np.uint8).reshape(len(sent), -1)
    digits = letters[:, _DIGITS] - ord("0")  # wraps around below
    is_alike = (letters[:, _MARKS] == letters[0, _MARKS]).all() and (
        letters[:, _WIDTH:] == letters[0, _WIDTH:]
    ).all()
    if not is_alike or digits.max() > 9 or not letters[:, 0].min() > ord("0"):
        return None
    try:
        offset = datetime.fromisoformat(first).utcoffset() or timedelta()
        written = np.ascontiguousarray(letters[:, :_WIDTH]).view(f"S{_WIDTH}")[:, 0]
        local: Times = written.astype("datetime64[us]")
    except ValueError:  # no such day or hour
        return None
    return local - np.timedelta64(offset, "us")


def _require_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("not an instant of RFC 3339, such as 2025-01-31T09:00:00Z")  # noqa: TRY004 - what pydantic turns into a named field
    return read_instant(value)


_Instant = Annotated[AwareDatetime, BeforeValidator(_require_text)]
_Price = Annotated[FiniteFloat, Field(gt=0, lt=TOO_LARGE, strict=True)]
_Volume = Annotated[FiniteFloat, Field(ge=0, lt=TOO_LARGE, strict=True)]
_Length = Field(min_length=1, max_length=MAX_CANDLES)


def _column(read: Callable[..., Any], one: Any) -> GetPydanticSchema:  # noqa: ANN401 - a type form
    """Make the schema of a column of such entries, which `read` reads whole."""

    def make(_: object, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        entries = handler(Annotated[list[one], _Length])
        return core_schema.no_info_wrap_validator_function(read, entries)

    return GetPydanticSchema(make)


Instants = Annotated[Times, _column(read_instants, _Instant)]
Prices = Annotated[Floats, _column(partial(read_numbers, least=math.ulp(0.0)), _Price)]
Volumes = Annotated[Floats, _column(partial(read_numbers, least=0.0), _Volume)]
