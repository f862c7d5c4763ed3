"""Writes to MLflow's tracking and registry: runs, versions, aliases.

Over its REST API as well: MLflow's own client costs a task two seconds and 190 MB to import, and
retries for minutes what Airflow already retries. The server is the real one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from ringside.adapters.registry_reader import (
    API,
    ARTIFACTS,
    ModelVersion,
    RegistryReader,
    find_artifact_path,
    find_error_code,
    to_version,
)
from ringside.core.manifest import MANIFEST_FILE, Fit, Manifest
from ringside.core.model_notes import render_note, render_title_note
from ringside.core.titles import Title

_EXISTS = "RESOURCE_ALREADY_EXISTS"
_FOLDER = "model"
_NOTE = "mlflow.note.content"


@dataclass(frozen=True)
class Registration:
    """What became of one fit: its version, and whether this call made it."""

    model_name: str
    contestant: str
    version: int
    is_new: bool


class Registry(RegistryReader):
    """Everything the platform does with MLflow."""

    def register(
        self,
        manifest: Manifest,
        files: Mapping[str, bytes],
        *,
        metrics: Mapping[str, float],
        artifacts: Mapping[str, bytes] | None = None,
    ) -> Registration:
        """Log one fit as a run with its model folder and make it a version of its title's model.

        The same contestant, title, `as_of` and seed gives no second version.

        Args:
            manifest: What was fitted.
            files: The model's own files, which go into its folder beside the manifest.
            metrics: Figures of the run.
            artifacts: What people look at, by file name; beside the model's folder.

        Raises:
            RegistryUnavailableError: MLflow did not answer, or answered with an error.
        """
        name = Title(manifest.symbol, manifest.horizon).model_name
        version = self.find_fit(name, manifest.fit)
        if version is not None:
            return Registration(name, manifest.contestant, version, is_new=False)
        note = render_note(manifest, metrics)
        run = self._start_run(manifest, note=note)
        try:
            self._log_run(run["run_id"], manifest, metrics)
            source = f"{run['artifact_uri']}/{_FOLDER}"
            self._upload(source, {**files, MANIFEST_FILE: manifest.to_bytes()})
            self._upload(run["artifact_uri"], artifacts or {})
            about = render_title_note(manifest)
            self._post("registered-models/create", allow=_EXISTS, name=name, description=about)
            version = self._create_version(name, manifest, run["run_id"], source=source, note=note)
        except BaseException:
            self._end_run(run["run_id"], "FAILED")
            raise
        self._end_run(run["run_id"], "FINISHED")
        return Registration(name, manifest.contestant, version, is_new=True)

    def find_fit(self, model_name: str, fit: Fit) -> int | None:
        """Find the oldest version that a fit was registered as, or None."""
        query = f"name = '{model_name}' and tag.fit = '{fit}'"
        answer = self._get(f"{API}/model-versions/search", filter=query)
        found = answer.json().get("model_versions", []) if answer else []
        return min((int(version["version"]) for version in found), default=None)

    def set_alias(self, model_name: str, alias: str, version: int) -> None:
        """Let an alias point to a version; it may already do so, or point elsewhere."""
        self._post("registered-models/alias", name=model_name, alias=alias, version=str(version))

    def set_newest(self, model_name: str, alias: str, version: int) -> None:
        """Let an alias point to a version unless it points to one fitted on later knowledge."""
        current = self.find_version(model_name, alias)
        fitted = self.read_version(model_name, version)
        if current is None or current.tags.get("as_of", "") <= fitted.tags["as_of"]:
            self.set_alias(model_name, alias, version)

    def set_tag(self, model_name: str, version: int, key: str, value: str) -> None:
        """Write a tag of a version; an older value of it is replaced."""
        content = {"name": model_name, "version": str(version), "key": key, "value": value}
        self._post("model-versions/set-tag", **content)

    def find_tagged(self, model_name: str, key: str, value: str) -> list[ModelVersion]:
        """Find every version of a model that carries a tag of that value."""
        query = f"name = '{model_name}' and tag.{key} = '{value}'"
        answer = self._get(f"{API}/model-versions/search", filter=query)
        found = answer.json().get("model_versions", []) if answer else []
        return [to_version(one) for one in found]

    def delete_alias(self, model_name: str, alias: str) -> None:
        """Take an alias away; nothing happens where it is not set."""
        if alias not in self.find_aliases(model_name):
            return
        query = {"name": model_name, "alias": alias}
        answer = self._send("DELETE", f"{API}/registered-models/alias", json=query)
        self._require_good(answer)

    def _start_run(self, manifest: Manifest, *, note: str) -> dict[str, Any]:
        answer = self._post(
            "runs/create",
            experiment_id=self._find_experiment(manifest.symbol),
            run_name=f"{manifest.contestant} h{manifest.horizon} {manifest.as_of:%Y-%m-%d %H:%M}",
            start_time=_now_ms(),
            tags=_make_pairs(_make_tags(manifest) | {_NOTE: note}),
        )
        info: dict[str, Any] = answer["run"]["info"]
        return info

    def _upload(self, address: str, files: Mapping[str, bytes]) -> None:
        for file, content in files.items():
            path = f"{ARTIFACTS}/{find_artifact_path(address)}/{file}"
            self._require_good(self._send("PUT", path, content=content))

    def _log_run(self, run_id: str, manifest: Manifest, metrics: Mapping[str, float]) -> None:
        params = manifest.model_dump(
            mode="json", exclude={"files", "feature_names", "levels", "format", "params"}
        )
        params["features"] = ", ".join(manifest.feature_names)
        params |= {f"params.{name}": value for name, value in manifest.params.items()}
        self._post(
            "runs/log-batch",
            run_id=run_id,
            params=_make_pairs(params),
            metrics=[
                {"key": key, "value": value, "timestamp": _now_ms(), "step": 0}
                for key, value in metrics.items()
            ],
        )

    def _create_version(
        self, name: str, manifest: Manifest, run_id: str, *, source: str, note: str
    ) -> int:
        answer = self._post(
            "model-versions/create",
            name=name,
            source=source,
            run_id=run_id,
            description=note,
            tags=_make_pairs(_make_tags(manifest)),
        )
        return int(answer["model_version"]["version"])

    def _end_run(self, run_id: str, status: str) -> None:
        self._post("runs/update", run_id=run_id, status=status, end_time=_now_ms())

    def _find_experiment(self, symbol: str) -> str:
        name = f"ringside.{symbol.replace('/', '')}"
        self._post("experiments/create", allow=_EXISTS, name=name)
        answer = self._require_good(
            self._send("GET", f"{API}/experiments/get-by-name", params={"experiment_name": name})
        )
        return str(answer.json()["experiment"]["experiment_id"])

    def _post(self, call: str, *, allow: str = "", **content: object) -> dict[str, Any]:
        """Post to MLflow; an error whose code is `allow` counts as done."""
        answer: httpx.Response = self._send("POST", f"{API}/{call}", json=content)
        if not (allow and find_error_code(answer) == allow):
            self._require_good(answer)
        found: dict[str, Any] = answer.json()
        return found


def _make_tags(manifest: Manifest) -> dict[str, str]:
    return {
        "contestant": manifest.contestant,
        "symbol": manifest.symbol,
        "horizon": str(manifest.horizon),
        "as_of": manifest.as_of.astimezone(UTC).isoformat(timespec="seconds"),
        "fit": str(manifest.fit),
    }


def _make_pairs(values: Mapping[str, object]) -> list[dict[str, str]]:
    pairs: Iterable[tuple[str, object]] = values.items()
    return [{"key": key, "value": str(value)} for key, value in pairs]


def _now_ms() -> int:
    """Read the wall clock for MLflow's own run times; no number depends on it."""
    return int(datetime.now(UTC).timestamp() * 1000)
