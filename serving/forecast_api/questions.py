"""Reads what a caller asked by its schema; every fault becomes a problem that names the field."""

from contextlib import nullcontext
from http import HTTPStatus
from threading import Lock
from typing import TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from forecast_api.problems import Problem

Schema = TypeVar("Schema", bound=BaseModel)

SHOWN_CHARACTERS = 80
SHOWN_ERRORS = 20

LONG_BODY_BYTES = 2**20
"""Longer bodies are read one at a time: side by side they take more memory and no less time."""

_one_long_body = Lock()
_NO_TURN = nullcontext()


def read_query(args: MultiDict[str, str], schema: type[Schema]) -> Schema:
    """Read the query of a request.

    Raises:
        Problem: 400; a parameter is missing, unknown, given twice or not what it should be.
    """
    repeated = [name for name in args if len(args.getlist(name)) > 1]
    if repeated:
        names = [(name[:SHOWN_CHARACTERS], "given more than once") for name in repeated]
        raise _bad_fields(HTTPStatus.BAD_REQUEST, names)
    try:
        return schema.model_validate(args.to_dict())
    except ValidationError as error:
        raise _bad_fields(HTTPStatus.BAD_REQUEST, _tell(error)) from None


def read_body(request: Request, schema: type[Schema]) -> Schema:
    """Read the JSON body of a request.

    Raises:
        Problem: 415 for another media type, 400 for what is not JSON, 422 for a wrong field.
    """
    if request.args:
        read_query(request.args, NoParameters)
    if request.mimetype != "application/json":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", "send the body as application/json"
        )
    try:
        with _one_long_body if (request.content_length or 0) > LONG_BODY_BYTES else _NO_TURN:
            return schema.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        is_json = error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
        status = HTTPStatus.UNPROCESSABLE_ENTITY if is_json else HTTPStatus.BAD_REQUEST
        raise _bad_fields(status, _tell(error)) from None


class NoParameters(BaseModel, extra="forbid"):
    """A query without parameters."""


def bad_field(status: HTTPStatus, field: str, detail: str) -> Problem:
    """Make the problem of one wrong field."""
    return _bad_fields(status, [(field, detail)])


def _bad_fields(status: HTTPStatus, errors: list[tuple[str, str]]) -> Problem:
    shown = errors[:SHOWN_ERRORS]
    more = f"; and {len(errors) - len(shown)} more" if len(errors) > len(shown) else ""
    return Problem(
        status,
        "bad-request" if status == HTTPStatus.BAD_REQUEST else "bad-fields",
        "; ".join(f"{field or 'body'}: {detail}" for field, detail in shown[:3]) + more,
        errors=[{"field": field, "detail": detail} for field, detail in shown],
    )


def _tell(error: ValidationError) -> list[tuple[str, str]]:
    return [_tell_one(each) for each in error.errors(include_url=False, include_input=False)]


def _tell_one(error: ErrorDetails) -> tuple[str, str]:
    field = ".".join(str(part)[:SHOWN_CHARACTERS] for part in error["loc"])
    detail = error["msg"].removeprefix("Value error, ")
    return field, "there is no such field" if error["type"] == "extra_forbidden" else detail
