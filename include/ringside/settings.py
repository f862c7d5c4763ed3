"""The one settings object. Entry points build it once and pass values down."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SourceKind = Literal["exchange", "file", "simulated"]

SECRETS_DIR = Path("/run/secrets")
"""Where containers find secrets: one file per setting, named like its variable in lower case."""


class Settings(BaseSettings):
    """Every knob of the platform; the variable is `RINGSIDE_` and the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="RINGSIDE_",
        extra="ignore",
        frozen=True,
        secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None,
    )

    # stores and services
    database_url: SecretStr = Field(description="SQLAlchemy URL of Ringside's PostgreSQL.")
    mlflow_url: str = Field("http://127.0.0.1:5000", description="Address of the MLflow server.")
    serving_url: str = Field("http://127.0.0.1:8000", description="Address of the REST service.")
    state_dir: Path = Field(
        Path(".ringside"), description="Folder for audits, reports, model copies and pid files."
    )

    # data
    source: SourceKind = Field("simulated", description="Where candles come from.")
    source_path: Path | None = Field(
        None, description="Folder of Parquet or CSV candles; needed when the source is `file`."
    )
    venue: str = Field("binance", description="ccxt id of the exchange, for `exchange`.")
    simulation_seed: int = Field(7, ge=0, description="Seed of the simulated market.")
    series: Annotated[tuple[str, ...], NoDecode] = Field(
        ("BTC/USDT",), min_length=1, description="Symbols to forecast, comma-separated."
    )
    history_days: int = Field(
        500, ge=30, description="Days of candles loaded on the first run, in days."
    )
    revision_hours: int = Field(
        3, ge=0, le=168, description="Published hours asked for again in each run, for revisions."
    )

    # forecasting
    horizons: Annotated[tuple[int, ...], NoDecode] = Field(
        (1, 6, 24), min_length=1, description="Candles ahead, comma-separated; a title for each."
    )
    train_days: int = Field(365, ge=14, description="Days of candles a model is fitted on.")
    record_weeks: int = Field(
        8, ge=1, description="Weeks before the first hour that are forecast in as-of order."
    )
    seed: int = Field(1, ge=0, description="Seed of every fit.")
    late_after_minutes: int = Field(
        15, ge=1, description="A forecast issued later than this after its `as_of` is never scored."
    )

    # the title
    min_gain_frac: float = Field(
        0.01, ge=0, lt=1, description="Share of the champion's loss a challenger must save to win."
    )
    max_p_value: float = Field(
        0.01, gt=0, lt=0.5, description="Largest p-value of the comparison at which it may win."
    )
    ask_p_value: float = Field(
        0.05, gt=0, lt=1, description="Above `max_p_value` and up to this, a person is asked."
    )
    min_shared_hours: int = Field(
        500, ge=24, description="Hours both must have forecast before a verdict can be a change."
    )
    ask_timeout_minutes: int = Field(
        60, ge=1, description="How long a verdict waits for a person before the champion stays."
    )

    # running
    training_runner: Literal["process", "docker"] = Field(
        "process", description="Where training commands run: a local process or a container."
    )
    training_image: str = Field(
        "ringside-training:0.1.0",
        description="Image of the training container: a tag, a digest or an id; never pulled.",
    )
    training_network: str = Field(
        "", description="Docker network of the training container; empty: the engine's own."
    )
    training_memory_mib: int = Field(
        2048, ge=256, description="Memory of the training container, in MiB."
    )
    training_cpus: float = Field(1.0, gt=0, description="CPUs of the training container.")
    training_database_url: SecretStr | None = Field(
        None, description="Database URL of the training container; empty: that of the tasks."
    )
    serving_runner: Literal["process", "docker"] = Field(
        "process", description="How serving is told to reload: a local process, or containers."
    )
    project: str = Field(
        "ringside", description="Label `ringside.project` of this platform's containers."
    )
    docker_url: str = Field(
        "unix://var/run/docker.sock", description="Docker engine, for either `docker`."
    )
    reload_timeout_s: int = Field(
        60, ge=5, description="Seconds all workers have to serve the new champion."
    )

    @field_validator("series", "horizons", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        """Read `a,b` from the environment as a tuple."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def audits_dir(self) -> Path:
        """Folder of audit results, one page and one JSON file per batch."""
        return self.state_dir / "audits"

    @property
    def reports_dir(self) -> Path:
        """Folder of the static reports."""
        return self.state_dir / "reports"

    @property
    def models_dir(self) -> Path:
        """Folder of verified local copies of registry versions."""
        return self.state_dir / "models"

    @property
    def serving_pid_file(self) -> Path:
        """Where the Gunicorn master writes its process id."""
        return self.state_dir / "run" / "gunicorn.pid"

    @property
    def workers_dir(self) -> Path:
        """Where each serving worker says what it serves, one JSON file per process id."""
        return self.state_dir / "run" / "workers"
