"""Reads of the MLflow registry over its REST API, for places that carry no MLflow."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from ringside.adapters.model_files import (
    LoadedModel,
    find_folder,
    is_plain_name,
    load_contestant,
    place_files,
)
from ringside.core.manifest import MANIFEST_FILE
from ringside.core.titles import MODEL_PREFIX
from ringside.errors import ModelRefusedError, RegistryUnavailableError, SettingsError

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_MODELS_AT_ONCE = 500
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model, with the facts its tags carry."""

    model_name: str
    version: int
    source: str
    tags: dict[str, str]

    @property
    def contestant(self) -> str:
        """Key of the contestant; empty for a version that Ringside did not register."""
        return self.tags.get("contestant", "")


class RegistryReader:
    """Finds versions by alias and brings verified copies of them to this machine."""

    def __init__(self, mlflow_url: str) -> None:
        # the registry is an inside service: a proxy of the machine must not stand between
        # no connection is kept, so a reader that nobody closes leaves nothing open
        self._client = httpx.Client(
            base_url=mlflow_url,
            timeout=_TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def find_aliases(self, model_name: str) -> dict[str, int]:
        """Find every alias of a registered model and the version it points to.

        Returns:
            An empty dict where the model is not registered yet.

        Raises:
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        answer = self._get(f"{API}/registered-models/get", name=model_name)
        if answer is None:
            return {}
        aliases = answer.json()["registered_model"].get("aliases", [])
        return {alias["alias"]: int(alias["version"]) for alias in aliases}

    def find_all_aliases(self) -> dict[str, dict[str, int]]:
        """Find the aliases of every registered model of the platform, a page of them at a time.

        Returns:
            Versions by alias, by the model's name.

        Raises:
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        found: dict[str, dict[str, int]] = {}
        query = {"filter": f"name LIKE '{MODEL_PREFIX}%'", "max_results": str(_MODELS_AT_ONCE)}
        while True:
            answer = self._require_good(
                self._send("GET", f"{API}/registered-models/search", params=query)
            )
            page = answer.json()
            for model in page.get("registered_models", []):
                aliases = model.get("aliases", [])
                found[model["name"]] = {one["alias"]: int(one["version"]) for one in aliases}
            if not page.get("next_page_token"):
                return found
            query["page_token"] = page["next_page_token"]

    def find_version(self, model_name: str, alias: str) -> ModelVersion | None:
        """Find the version that an alias points to, or None.

        Raises:
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        version = self.find_aliases(model_name).get(alias)
        return None if version is None else self.read_version(model_name, version)

    def read_version(self, model_name: str, version: int) -> ModelVersion:
        """Read one version's source and tags.

        Raises:
            ModelRefusedError: There is no such version.
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        answer = self._get(f"{API}/model-versions/get", name=model_name, version=str(version))
        if answer is None:
            raise ModelRefusedError(f"the registry has no version {version} of {model_name}")
        return to_version(answer.json()["model_version"])

    def hash_manifest(self, model_name: str, version: int) -> str:
        """Compute the SHA-256 (hex) of a version's manifest, which itself names every file's.

        Raises:
            ModelRefusedError: There is no such version, or it holds no manifest.
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        source = self.read_version(model_name, version).source
        path = f"{ARTIFACTS}/{quote(find_artifact_path(source))}/{MANIFEST_FILE}"
        answer = self._get(path)
        if answer is None:
            raise ModelRefusedError(f"version {version} of {model_name} holds no {MANIFEST_FILE}")
        return sha256(answer.content).hexdigest()

    def download(self, model_name: str, version: int, into: Path) -> Path:
        """Bring a version to `into/<model name>/<version>` once, and verify it.

        A copy that is there and sound is used without asking the registry; a damaged one is
        fetched again.

        Raises:
            ModelRefusedError: The registry's own copy does not verify.
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        folder = find_folder(into, model_name, version)
        if is_sound(folder):
            return folder
        files = self._fetch_files(self.read_version(model_name, version))
        into.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".partial-", dir=into))
        try:
            load_contestant(place_files(draft / "model", files))
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        # another process may have brought it meanwhile: what is sound is never moved
        return folder if is_sound(folder) else place_files(folder, files)

    def load(self, model_name: str, version: int, into: Path) -> LoadedModel:
        """Load a version from its local copy, which is brought first where it is not there.

        Raises:
            ModelRefusedError: The registry's own copy does not verify.
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        try:
            return load_contestant(find_folder(into, model_name, version))
        except ModelRefusedError:
            return load_contestant(self.download(model_name, version, into))

    def _fetch_files(self, version: ModelVersion) -> dict[str, bytes]:
        root = find_artifact_path(version.source)
        listing = self._get(ARTIFACTS, path=root)
        names = [item["path"] for item in listing.json().get("files", [])] if listing else []
        if not names or not all(map(is_plain_name, names)):
            raise ModelRefusedError(
                f"version {version.version} of {version.model_name} holds no plain files",
                source=version.source,
                files=names,
            )
        files: dict[str, bytes] = {}
        for name in names:
            answer = self._get(f"{ARTIFACTS}/{quote(root)}/{quote(name)}")
            if answer is None:
                raise ModelRefusedError(f"{name} is gone from {version.source}")
            files[name] = answer.content
        return files

    def _get(self, path: str, /, **query: str) -> httpx.Response | None:
        """Ask MLflow; None means that the thing does not exist."""
        answer = self._send("GET", path, params=query)
        return None if find_error_code(answer) == _MISSING else self._require_good(answer)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        try:
            return self._client.request(method, path, params=params, json=json, content=content)
        except httpx.HTTPError as error:
            raise RegistryUnavailableError(
                f"MLflow at {self._client.base_url} did not answer: {error}", path=path
            ) from error

    def _require_good(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        what = f"MLflow at {self._client.base_url} answered {answer.status_code}"
        facts = {"path": answer.request.url.path, "answer": answer.text[:500]}
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise SettingsError(f"{what}: is this host among its --allowed-hosts?", **facts)
        raise RegistryUnavailableError(what, **facts)


def is_sound(folder: Path) -> bool:
    """Whether a local copy is there and verifies."""
    try:
        load_contestant(folder)
    except ModelRefusedError:
        return False
    return True


def to_version(found: Mapping[str, Any]) -> ModelVersion:
    """Read a version as MLflow describes it."""
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
    return ModelVersion(found["name"], int(found["version"]), found["source"], tags)


def find_error_code(answer: httpx.Response) -> str:
    """Read MLflow's own word for an error; empty for a good answer and for another server's."""
    if answer.is_success:
        return ""
    try:
        content = answer.json()
    except ValueError:
        return ""
    return str(content.get("error_code", "")) if isinstance(content, dict) else ""


def find_artifact_path(source: str) -> str:
    """Turn `mlflow-artifacts:/1/abc/artifacts/model` into the path under the artifact proxy."""
    parts = urlsplit(source)
    if parts.scheme != "mlflow-artifacts":
        raise ModelRefusedError(f"artifacts are not behind the MLflow server: {source}")
    return parts.path.lstrip("/")
