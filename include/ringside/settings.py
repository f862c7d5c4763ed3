"""The one settings object. Entry points build it once and pass values down."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SourceKind = Literal["exchange", "file", "simulated"]
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")
_VENUE_CHAIN = re.compile(r"[^=>\s]+/[^=>\s]+=[a-z0-9]+(>[a-z0-9]+)*")

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
    mlflow_page_url: str = Field(
        "", description="Address of MLflow for browsers; empty: `RINGSIDE_MLFLOW_URL`."
    )
    serving_page_url: str = Field(
        "", description="Address of the REST service for browsers; empty: `RINGSIDE_SERVING_URL`."
    )
    state_dir: Path = Field(
        Path(".ringside"), description="Folder for audits, reports, model copies and pid files."
    )

    # data
    source: SourceKind = Field("simulated", description="Where candles come from.")
    source_path: Path | None = Field(
        None, description="Folder of Parquet or CSV candles; needed when the source is `file`."
    )
    venue: str = Field("binance", description="ccxt id of the exchange, for `exchange`.")
    series_venues: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Venues of single series, the fallback after `>`, comma-separated:"
        " `BTC/USDT=binance>kraken`. Other series use `RINGSIDE_VENUE`, without a fallback.",
    )
    venue_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Stand-ins on this machine that are asked instead of venues, comma-separated:"
        " `binance=http://127.0.0.1:8181`.",
    )
    simulation_seed: int = Field(7, ge=0, description="Seed of the simulated market.")
    series: Annotated[tuple[str, ...], NoDecode] = Field(
        ("BTC/USDT",), min_length=1, description="Symbols to forecast, comma-separated."
    )
    auxiliary: Annotated[tuple[Literal["vix", "ndx", "gold"], ...], NoDecode] = Field(
        (),
        description="Auxiliary series, comma-separated: `vix`, `ndx`, `gold`; from Yahoo with the"
        " source `exchange`, from `vix_1d`, `ndx_1d`, `gold_gc_1h` beside the candles with `file`.",
    )
    history_days: int = Field(
        600, ge=30, description="Days of candles loaded on the first run, in days."
    )
    revision_hours: int = Field(
        3, ge=0, le=168, description="Published hours asked for again in each run, for revisions."
    )
    revision_days: int = Field(
        7, ge=0, le=40, description="Published days asked for again once a day, after 00:00 UTC."
    )

    audit_days: int = Field(
        90,
        ge=1,
        description="Days that audit pages stay; the newest and those with refused rows do.",
    )

    # forecasting
    horizons: Annotated[tuple[int, ...], NoDecode] = Field(
        (1, 6, 24), min_length=1, description="Candles ahead, comma-separated; a title for each."
    )
    train_days: int = Field(365, ge=14, description="Days of candles a model is fitted on.")
    record_weeks: int = Field(
        26, ge=1, description="Weeks before the first hour that are forecast in as-of order."
    )
    seed: int = Field(1, ge=0, description="Seed of every fit.")
    late_after_minutes: int = Field(
        15, ge=1, description="A forecast issued later than this after its `as_of` is never scored."
    )

    report_keep_days: int = Field(
        30, ge=0, description="Days before the newest report whose reports are kept."
    )

    # the title
    stake: Literal["band", "point"] = Field(
        "band",
        description="What the title is fought on: `band`, the pinball loss over sigma, or `point`,"
        " the winsorised squared error of the median.",
    )
    alpha: float = Field(
        0.05, gt=0, lt=0.5, description="Bound on false claims per reign of a title."
    )
    refresh_days: int = Field(
        91, ge=7, description="Days of a reign before a newer version of the champion may follow."
    )
    margin_frac: float = Field(
        0.01, gt=0, lt=0.5, description="Share of the loss by which that version may be worse."
    )
    shadow_days: int = Field(
        14, ge=1, description="Days of own forecasts on record that a new champion must have."
    )
    probation_days: int = Field(
        28, ge=1, description="Days after a promotion on which the new champion is watched."
    )
    probation_budget_hours: float = Field(
        24.0,
        gt=0,
        description="Excess loss over the former champion, in hours of its mean loss, that gives"
        " the title back.",
    )
    ask_timeout_minutes: int = Field(
        60, ge=1, description="How long a verdict waits for a person before the champion stays."
    )

    # running
    training_runner: Literal["process", "docker", "kubernetes"] = Field(
        "process",
        description="Where training commands run: a local process, a container or a pod.",
    )
    training_image: str = Field(
        "ringside-training:0.1.0",
        description="Image of the training container or pod: a tag, a digest or an id; never"
        " `latest`. An engine is never asked to pull it, a cluster does where it lacks it.",
    )
    image_id: str = Field(
        "",
        description="Id of the container image a process runs in, told by whoever starts it; goes"
        " on the record of a training.",
    )
    training_network: str = Field(
        "", description="Docker network of the training container; empty: the engine's own."
    )
    training_memory_mib: int = Field(
        2048, ge=256, description="Memory of the training container or pod, in MiB."
    )
    training_cpus: float = Field(1.0, gt=0, description="CPUs of the training container or pod.")
    training_database_url: SecretStr | None = Field(
        None, description="Database URL of the training container; empty: that of the tasks."
    )
    training_namespace: str = Field(
        "", description="Kubernetes namespace of training pods; empty: that of Airflow."
    )
    training_secret: str = Field(
        "ringside-training",
        description="Kubernetes Secret with the training pods' `ringside_database_url`.",
    )
    serving_runner: Literal["process", "docker", "kubernetes"] = Field(
        "process",
        description="How serving is told to reload: a local process, containers, or each pod"
        " behind the name in `RINGSIDE_SERVING_URL`.",
    )
    serving_image: str = Field(
        "ringside-serving:0.1.0",
        description="Image of the service, in which new challengers are examined; never pulled.",
    )
    serving_python: Path | None = Field(
        None,
        description="Python of the service's environment, for examinations; empty: the caller's.",
    )
    serving_folder: Path = Field(
        Path("serving"), description="Folder of the service's code, for examinations."
    )
    project: str = Field(
        "ringside", description="Label `ringside.project` of this platform's containers."
    )
    docker_url: str = Field(
        "unix://var/run/docker.sock", description="Docker engine, for either `docker`."
    )
    reload_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token of `POST /v1/reload`, at least 16 characters; without one the"
        " service reloads by `SIGHUP` only.",
    )
    reload_timeout_s: int = Field(
        60, ge=5, description="Seconds all workers have to serve the new champion."
    )

    @field_validator(
        "series", "auxiliary", "series_venues", "venue_urls", "horizons", mode="before"
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        """Read `a,b` from the environment as a tuple."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("training_image")
    @classmethod
    def _require_fixed_image(cls, value: str) -> str:
        """Refuse a name that means another image tomorrow."""
        name = value.rpartition("/")[2]
        if not _IMAGE_ID.fullmatch(value) and "@" not in name and not name.partition(":")[2]:
            raise ValueError(f"{value!r} names no tag and no digest")
        if name.endswith(":latest"):
            raise ValueError(f"{value!r} is another image tomorrow; name a tag or a digest")
        return value

    @model_validator(mode="after")
    def _require_venues_of_known_series(self) -> "Settings":
        """Refuse a venue for a series that is not forecast, or named twice: a slip of the pen."""
        named = [text.partition("=")[0].strip() for text in self.series_venues]
        for symbol in named:
            if symbol not in self.series:
                raise ValueError(f"series_venues names {symbol}, which is not among the series")
            if named.count(symbol) > 1:
                raise ValueError(f"series_venues names {symbol} twice")
        return self

    @field_validator("series_venues")
    @classmethod
    def _require_venue_chains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _VENUE_CHAIN.fullmatch(text):
                raise ValueError(
                    f"{text!r} is not like `BTC/USDT=binance` or `BTC/USDT=binance>kraken`"
                )
            venues = text.partition("=")[2].split(">")
            if len(set(venues)) < len(venues):
                raise ValueError(f"{text!r} names a venue twice")
        return value

    @field_validator("venue_urls")
    @classmethod
    def _require_loopback(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse an outside address: candles from there would pass for the venue's own."""
        for text in value:
            venue, _, url = text.partition("=")
            if not venue or urlsplit(url).hostname not in {"127.0.0.1", "localhost"}:
                raise ValueError(
                    f"{text!r} is not like `binance=http://127.0.0.1:8181`; only a stand-in on"
                    " this machine can take a venue's place"
                )
        return value

    def venues_of(self, symbol: str) -> tuple[str, ...]:
        """Name the venues whose candles a series may hold: the authority first, then fallbacks."""
        if self.source != "exchange":
            return (self.source,)
        for text in self.series_venues:
            name, _, venues = text.partition("=")
            if name == symbol:
                return tuple(venues.split(">"))
        return (self.venue,)

    def stand_in_of(self, venue: str) -> str | None:
        """Give the address of the stand-in that is asked instead of `venue`; None for the venue."""
        return dict(text.split("=", 1) for text in self.venue_urls).get(venue)

    @property
    def audits_dir(self) -> Path:
        """Folder of audit results, one page and one JSON file per batch."""
        return self.state_dir / "audits"

    @property
    def dockets_dir(self) -> Path:
        """Folder of dockets: one bundle per verdict, from which it can be derived again."""
        return self.state_dir / "dockets"

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
    def metrics_dir(self) -> Path:
        """Where the workers of one Gunicorn master keep their counts, emptied at its start."""
        return self.state_dir / "run" / "metrics"

    @property
    def workers_dir(self) -> Path:
        """Where each serving worker says what it serves, one JSON file per process id."""
        return self.state_dir / "run" / "workers"
