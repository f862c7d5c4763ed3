"""What the probes answer."""

from typing import Literal

from forecast_api.schemas.base import Told
from forecast_api.schemas.forecasts import Warning_


class LiveAnswer(Told):
    """The process answers."""

    status: Literal["live"]


class ReadyAnswer(Told):
    """Every title can be forecast, perhaps not by its champion."""

    status: Literal["ready"]
    degraded: Warning_ | None
    warnings: list[Warning_]
