"""The OpenAPI document, made by spectree from the schemas that views name beside their routes.

Spectree describes and does not check: `questions` reads what was asked by the same schemas, so
that errors are problem documents and a hot answer is not parsed again on its way out.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from inspect import unwrap
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel
from spectree import Response, SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData

from forecast_api.problems import MEDIA_TYPE
from forecast_api.schemas.documents import ProblemDocument
from ringside import __version__

View = TypeVar("View", bound=Callable[..., Any])

TOKEN = "reload-token"  # noqa: S105 - the name of a scheme, no secret

_BEARER = SecuritySchemeData(type=SecureType.HTTP, scheme="bearer")
_spec = SpecTree(
    "flask",
    title="Ringside",
    description="Hourly forecasts of the reigning champions, their record, and who serves them.",
    version=__version__,
    mode="strict",
    annotations=False,
    security_schemes=[SecurityScheme(name=TOKEN, data=_BEARER)],
    validation_error_model=ProblemDocument,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _, child: child,
)
_media_types: dict[str, str] = {}


def describe(
    answer: type[BaseModel] | None,
    *,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    problems: Sequence[int] = (),
    status: int = 200,
    media_type: str = "application/json",
    is_secured: bool = False,
) -> Callable[[View], View]:
    """Put a view into the document: what it takes, what it answers, which problems it may have."""

    def decorate(view: View) -> View:
        models: dict[str, Any] = {f"HTTP_{code}": ProblemDocument for code in problems}
        resp = Response(**{f"HTTP_{status}": answer}, **models)
        _media_types[view.__name__] = media_type
        described: View = _spec.validate(
            query=query,
            json=body,
            resp=resp,
            skip_validation=True,
            validation_error_status=400,
            security={TOKEN: []} if is_secured else None,
            operation_id=view.__name__,
        )(view)
        return described

    return decorate


def make_document(app: Flask, symbols: Sequence[str]) -> dict[str, Any]:
    """Make the OpenAPI document of an app whose routes are all registered.

    Args:
        app: Where the views are registered.
        symbols: The series that can be asked for; the document names them.
    """
    with app.app_context():
        document: dict[str, Any] = deepcopy(_spec.spec)
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = unwrap(view)  # it has been read: no request needs more
    for operations in document["paths"].values():
        for operation in operations.values():
            _finish_operation(operation, symbols)
    body = document["components"]["schemas"]["PredictBody"]["properties"]["symbol"]
    body["enum"] = list(symbols)
    return document


def _finish_operation(operation: dict[str, Any], symbols: Sequence[str]) -> None:
    """Say what spectree cannot: media types, and the series of this installation."""
    for parameter in operation["parameters"]:
        _drop_null(parameter["schema"])
        if parameter["name"] == "symbol":
            parameter["schema"]["enum"] = list(symbols)
    name = operation["operationId"]
    for status, response in operation["responses"].items():
        content = response.pop("content", {}).get("application/json")
        media_type = MEDIA_TYPE if int(status) >= 400 else _media_types[name]
        if content is None and media_type != "application/json":
            content = {"schema": {"type": "string"}}
        if content is not None:
            response["content"] = {media_type: content}


def _drop_null(schema: dict[str, Any]) -> None:
    """A parameter may be left out, but a query knows no null."""
    kinds = schema.pop("anyOf", [])
    for kind in kinds:
        if kind != {"type": "null"}:
            schema |= kind
            schema.pop("default", None)
