"""What is answered of models: those that an alias names, and those that serve."""

from typing import Literal

from pydantic import AwareDatetime, Field

from forecast_api.schemas.base import Horizon, Told
from forecast_api.schemas.forecasts import Rung


class RegisteredVersion(Told):
    """One version that an alias names."""

    version: int
    contestant: str
    aliases: list[str]
    facts: dict[str, str]


class RegisteredTitle(Told):
    """The contestants of one title."""

    symbol: str
    horizon: Horizon
    model_name: str
    versions: list[RegisteredVersion]


class ModelsAnswer(Told):
    """Contestants with their aliases, as the registry names them."""

    read_at: AwareDatetime
    titles: list[RegisteredTitle]


class ServedTitle(Told):
    """What one worker serves for one title."""

    symbol: str
    horizon: Horizon
    contestant: str
    version: int
    sha256: str
    source: Rung
    fitted_as_of: AwareDatetime


class RefusedVersion(Told):
    """A version that is not served, and why."""

    symbol: str
    horizon: Horizon
    version: int | None
    reason: str


class WorkerNote(Told):
    """What one worker serves."""

    pid: int
    generation: int
    loaded_at: AwareDatetime
    titles: list[ServedTitle]
    refused: list[RefusedVersion]


class ModelAnswer(WorkerNote):
    """What the answering worker serves, and what every live worker says it serves."""

    workers: list[WorkerNote]


class ReloadAnswer(Told):
    """The reload is under way; `/v1/model` tells when each worker has changed over."""

    status: Literal["accepted"]
    generation: int = Field(description="Generation of the answering worker: wait for a later one.")
