"""Answers that are documents of their own: problems, and the description of the service."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from forecast_api.schemas.base import Told


class FieldError(Told):
    """One wrong field; `field` is its path, such as `windows.0.close.3`."""

    field: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457; some problems have further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = None


class OpenApiDocument(BaseModel):
    """This document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
