"""What all schemas of callers' questions and of our answers are made of."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_NUMBER = re.compile(r"-?[0-9]{1,9}")


def read_instant(value: object) -> object:
    """Let only RFC 3339 through; in a query a plus sign that was not escaped arrives as a blank."""
    if isinstance(value, str):
        value = value.replace(" ", "+")
        if not _INSTANT.fullmatch(value):
            raise ValueError("not an instant of RFC 3339, such as 2025-01-31T09:00:00Z")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except OverflowError:  # an offset that leads out of the calendar: its last day will do
            return _FIRST if value.startswith("0001") else _LAST
    return value


def read_number(value: object) -> object:
    """Let only whole numbers through, written in plain digits."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("not a whole number")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(read_instant)]
Whole = Annotated[int, BeforeValidator(read_number)]
Symbol = Annotated[
    str, Field(description="A series, with or without its slash.", min_length=1, max_length=40)
]
Horizon = Annotated[int, Field(ge=1, description="Candles ahead, of one hour each.")]


class Asked(BaseModel):
    """What is sent; unknown members are refused."""

    # what callers send is seldom the same text twice: keeping it costs more than making it
    model_config = ConfigDict(extra="forbid", frozen=True, cache_strings="keys")


class Told(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid")


class Source(Told):
    """Where the candles come from."""

    kind: str
    label: str
