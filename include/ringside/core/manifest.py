"""The manifest of a model folder: what was fitted, on what, and the checksum of every file.

A model is native files and this manifest. Nothing is pickled, so loading runs no code of a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ringside.core.candles import Candles
from ringside.core.known_values import KnownValues
from ringside.errors import ModelRefusedError

MANIFEST_FILE = "manifest.json"
FORMAT = 2
"""2 added `params`, `code_hash` and `image_id`; a manifest of format 1 has them empty."""


@dataclass(frozen=True)
class Fit:
    """What names one fit: who, for which title, as of when (aware), with which seed."""

    contestant: str
    symbol: str
    horizon: int
    as_of: datetime
    seed: int

    def __str__(self) -> str:
        as_of = self.as_of.astimezone(UTC).isoformat(timespec="seconds")
        return f"{self.contestant} {as_of} seed {self.seed}"


class Manifest(BaseModel):
    """What a model folder holds; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(FORMAT, ge=1, le=FORMAT, description="Version of this layout.")
    contestant: str = Field(description="Key of the contestant that can load the files.")
    symbol: str = Field(description="Series the model was fitted on.")
    horizon: int = Field(ge=1, description="Candles ahead it forecasts.")
    levels: tuple[float, ...] = Field(description="Quantile levels of its forecasts.")
    feature_names: tuple[str, ...] = Field(description="Columns it takes, in order.")
    look_back: int = Field(ge=1, description="Candles that one forecast needs.")
    as_of: AwareDatetime = Field(description="Nothing later than this was known to the fit.")
    train_start: AwareDatetime = Field(description="Open time of the first row fitted on.")
    train_end: AwareDatetime = Field(description="Open time of the last row fitted on.")
    train_rows: int = Field(ge=1, description="Rows fitted on.")
    seed: int = Field(ge=0, description="Seed of the fit.")
    params: dict[str, float] = Field({}, description="Hyper-parameters that were chosen.")
    data_hash: str = Field(description="SHA-256 over all that the fit could see.")
    code_version: str = Field(description="Version of the package that fitted it.")
    code_hash: str = Field("", description="SHA-256 over the package's own source files.")
    image_id: str = Field("", description="Id of the container image it ran in; empty: none.")
    files: dict[str, str] = Field(min_length=1, description="SHA-256 of each file by its name.")

    @property
    def fit(self) -> Fit:
        """The fit that made the model."""
        return Fit(self.contestant, self.symbol, self.horizon, self.as_of, self.seed)

    def to_bytes(self) -> bytes:
        """Write the manifest as indented JSON."""
        return self.model_dump_json(indent=1).encode()


def read_manifest(content: bytes) -> Manifest:
    """Parse a manifest.

    Raises:
        ModelRefusedError: The text is not a manifest of this format.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ModelRefusedError(f"the manifest is not valid: {error}") from error


def compute_checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    """Compute the SHA-256 (hex) of each file's content, by file name."""
    return {name: sha256(content).hexdigest() for name, content in sorted(files.items())}


def require_files(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Check that exactly the manifest's files are there and that each has its checksum.

    Raises:
        ModelRefusedError: A file is missing, unexpected, or differs.
    """
    found = compute_checksums(files)
    if found.keys() != manifest.files.keys():
        unexpected = sorted(found.keys() ^ manifest.files.keys())
        raise ModelRefusedError(f"files missing or not in the manifest: {', '.join(unexpected)}")
    changed = sorted(name for name, digest in found.items() if digest != manifest.files[name])
    if changed:
        raise ModelRefusedError(f"checksum differs from the manifest: {', '.join(changed)}")


def require_fit_before(manifest: Manifest, as_of: datetime) -> None:
    """Check that the model could exist at `as_of`, so that it is no look into the future.

    Raises:
        ModelRefusedError: The fit saw candles that closed later.
    """
    if manifest.as_of > as_of + timedelta(hours=1):
        raise ModelRefusedError(f"the model was fitted as of {manifest.as_of}, after {as_of}")


def hash_inputs(candles: Candles, auxiliary: Mapping[str, KnownValues]) -> str:
    """Compute the SHA-256 (hex) over symbol, times and values of all inputs, in order."""
    digest = sha256(candles.symbol.encode())
    digest.update(candles.open_time.astype("datetime64[s]").astype("<i8").tobytes())
    for column in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        digest.update(column.astype("<f8").tobytes())
    for name, known in sorted(auxiliary.items()):
        digest.update(name.encode())
        digest.update(known.known_at.astype("datetime64[s]").astype("<i8").tobytes())
        digest.update(known.value.astype("<f8").tobytes())
    return digest.hexdigest()
