"""`GET /v1/models`: the contestants of each title and their aliases, by the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from forecast_api.contract import describe
from forecast_api.desk import find_desk
from forecast_api.questions import NoParameters, read_query
from forecast_api.schemas.models import ModelsAnswer
from ringside.adapters.registry_reader import ModelVersion, RegistryReader
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError, RegistryUnavailableError

bp = Blueprint("models", __name__)

KEEP_S = 15


@bp.get("/v1/models")
@describe(ModelsAnswer, problems=(503,))
def get_models() -> ResponseReturnValue:
    """Name the contestants of each title and the aliases they carry."""
    read_query(request.args, NoParameters)
    desk = find_desk()
    return desk.catalogue.read(real_time=desk.now())


@dataclass(frozen=True)
class _Kept:
    body: dict[str, object]
    read_at: datetime


class RegistryCatalogue:
    """Reads the registry at most every few seconds; while it is down, tells what it last said."""

    def __init__(self, mlflow_url: str, titles: Sequence[Title]) -> None:
        self._mlflow_url = mlflow_url
        self._titles = titles
        self._versions: dict[tuple[str, int], ModelVersion] = {}  # a version never changes
        self._kept: _Kept | None = None
        self._reading = Lock()

    def read(self, *, real_time: datetime) -> dict[str, object]:
        """Give the body of the answer; `read_at` says how old it is.

        Raises:
            RegistryUnavailableError: MLflow did not answer, and never has.
        """
        with self._reading:
            kept = self._kept
            if kept is None or real_time - kept.read_at >= timedelta(seconds=KEEP_S):
                kept = self._kept = self._read_anew(real_time)
        return kept.body

    def _read_anew(self, real_time: datetime) -> _Kept:
        try:
            with RegistryReader(self._mlflow_url) as registry:
                titles = [self._describe(title, registry) for title in self._titles]
        except RegistryUnavailableError:
            if self._kept is None:
                raise
            return _Kept(self._kept.body, real_time)
        return _Kept({"read_at": real_time.isoformat(), "titles": titles}, real_time)

    def _describe(self, title: Title, registry: RegistryReader) -> dict[str, object]:
        aliases = registry.find_aliases(title.model_name)
        versions = []
        for number in sorted(set(aliases.values())):
            version = self._find_version(title.model_name, number, registry)
            if version is not None:
                names = sorted(alias for alias, named in aliases.items() if named == number)
                versions.append(
                    {
                        "version": number,
                        "contestant": version.contestant,
                        "aliases": names,
                        "facts": version.tags,
                    }
                )
        return {
            "symbol": title.symbol,
            "horizon": title.horizon,
            "model_name": title.model_name,
            "versions": versions,
        }

    def _find_version(
        self, model_name: str, number: int, registry: RegistryReader
    ) -> ModelVersion | None:
        key = (model_name, number)
        if key not in self._versions:
            try:
                self._versions[key] = registry.read_version(model_name, number)
            except ModelRefusedError:  # deleted between the two questions
                return None
        return self._versions[key]
