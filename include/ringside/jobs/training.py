"""Fits every contestant of a series for every horizon and enters the versions in the registry."""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO

import ringside
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.code_identity import hash_code
from ringside.adapters.database import make_engine
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry import Registration, Registry
from ringside.core.candles import floor_hour, to_datetime
from ringside.core.charts.canvas import Caption
from ringside.core.charts.importances import render_importances
from ringside.core.contestants import CONTESTANTS
from ringside.core.features import find_look_back, find_names
from ringside.core.manifest import Fit, Manifest, compute_checksums, hash_inputs
from ringside.core.quantiles import LEVELS
from ringside.core.titles import Title
from ringside.core.words import describe_title
from ringside.errors import ModelRefusedError
from ringside.jobs.fitting import Fitted, Inputs, fit_contestants
from ringside.jobs.forecasting import read_auxiliary
from ringside.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingFacts:
    """What one training of a series brought; `as_of` is ISO 8601 text."""

    symbol: str
    as_of: str
    candles: int
    versions: tuple[Registration, ...]
    seconds: float


@dataclass(frozen=True)
class ProofFacts:
    """The versions of one training that the registry holds, each verified against its manifest."""

    symbol: str
    versions: tuple[Registration, ...]


def train(
    settings: Settings, symbol: str, *, as_of: datetime, seed: int | None = None
) -> TrainingFacts:
    """Fit all contestants on the `train_days` before `as_of` and register what came out.

    Nothing is registered before everything is fitted and proved. Running it again for the same
    instant and seed fits and registers nothing twice.

    Raises:
        HistoryTooShortError: Too few candles are published; the message says how many it takes.
        TrainingRefusedError: The price never moves, or a loss is absurd.
        CanaryMissedError: A planted leak was not flagged.
        LeakFoundError: A feature, the target or a contestant has seen the future.
        RegistryUnavailableError: MLflow did not answer; running again goes on where it stopped.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    started = time.monotonic()
    seed = settings.seed if seed is None else seed
    _log.info("training symbol=%s as_of=%s seed=%d", symbol, as_of.isoformat(), seed)
    inputs = read_inputs(settings, symbol, as_of=as_of, days=settings.train_days, seed=seed)
    with Registry(settings.mlflow_url) as registry:
        known = _find_known(registry, inputs)
        if len(known) == len(settings.horizons) * len(CONTESTANTS):
            versions = tuple(known.values())
        else:
            fitted = fit_contestants(inputs)
            versions = tuple(_enter(settings, registry, inputs, one) for one in fitted)
    seconds = round(time.monotonic() - started, 2)
    facts = TrainingFacts(symbol, as_of.isoformat(), len(inputs.candles), versions, seconds)
    new = sum(version.is_new for version in versions)
    _log.info(
        "trained symbol=%s as_of=%s candles=%d versions=%d new=%d seconds=%.1f",
        symbol, facts.as_of, facts.candles, len(versions), new, seconds,
    )  # fmt: skip
    return facts


def require_versions(settings: Settings, symbol: str, *, as_of: datetime) -> ProofFacts:
    """Bring every version that a training ought to have made, and verify its checksums.

    A training process may say what it likes: what counts is what the registry holds.

    Raises:
        ModelRefusedError: A version is missing, altered, or holds another fit.
        RegistryUnavailableError: MLflow did not answer.
    """
    found = []
    with Registry(settings.mlflow_url) as registry:
        for horizon in settings.horizons:
            name = Title(symbol, horizon).model_name
            for contestant in CONTESTANTS:
                fit = Fit(contestant, symbol, horizon, as_of, settings.seed)
                version = registry.find_fit(name, fit)
                if version is None:
                    raise ModelRefusedError(f"{name} has no version of {fit}: train again")
                folder = registry.download(name, version, settings.models_dir)
                holds = load_contestant(folder).manifest.fit
                if str(holds) != str(fit):
                    raise ModelRefusedError(f"{name} version {version} holds {holds}, not {fit}")
                found.append(Registration(name, contestant, version, is_new=False))
    _log.info("verified symbol=%s as_of=%s versions=%d", symbol, as_of.isoformat(), len(found))
    return ProofFacts(symbol, tuple(found))


def read_inputs(
    settings: Settings, symbol: str, *, as_of: datetime, days: int, seed: int
) -> Inputs:
    """Read what `days` of rows before `as_of` look at, their look-back included."""
    hours = days * 24 + find_look_back(find_names(settings.auxiliary))
    start = floor_hour(as_of) - timedelta(hours=hours)
    engine = make_engine(settings)
    return Inputs(
        auxiliary=read_auxiliary(engine, settings.auxiliary, as_of=as_of, hours=hours),
        candles=CandleStore(engine).read_candles(symbol, as_of=as_of, start=start),
        as_of=as_of,
        horizons=settings.horizons,
        train_days=settings.train_days,
        seed=seed,
    )


def _find_known(registry: Registry, inputs: Inputs) -> dict[Fit, Registration]:
    """Find the fits of this training that the registry has already."""
    known = {}
    for horizon in inputs.horizons:
        for name in CONTESTANTS:
            fit = Fit(name, inputs.candles.symbol, horizon, inputs.as_of, inputs.seed)
            model_name = Title(fit.symbol, horizon).model_name
            version = registry.find_fit(model_name, fit)
            if version is not None:
                known[fit] = Registration(model_name, name, version, is_new=False)
    return known


def _enter(settings: Settings, registry: Registry, inputs: Inputs, fitted: Fitted) -> Registration:
    """Register one fit with its figures, unless that was done before."""
    sample = fitted.sample
    manifest = Manifest(
        contestant=fitted.contestant,
        symbol=inputs.candles.symbol,
        horizon=sample.horizon,
        as_of=inputs.as_of,
        seed=inputs.seed,
        levels=LEVELS,
        feature_names=sample.names,
        look_back=find_look_back(sample.names),
        train_start=to_datetime(sample.open_time[0]),
        train_end=to_datetime(sample.open_time[-1]),
        train_rows=len(sample),
        params=vars(fitted.choice.params),
        data_hash=hash_inputs(inputs.candles, inputs.auxiliary),
        code_version=ringside.__version__,
        code_hash=hash_code(),
        image_id=settings.image_id,
        files=compute_checksums(fitted.files),
    )
    return registry.register(
        manifest,
        fitted.files,
        metrics=fitted.metrics,
        artifacts=_draw_importances(manifest, fitted),
    )


def _draw_importances(manifest: Manifest, fitted: Fitted) -> dict[str, bytes]:
    if not fitted.importances:
        return {}
    figure = render_importances(
        fitted.importances,
        name=f"{fitted.contestant}, {describe_title(manifest.symbol, manifest.horizon).en},",
        caption=Caption(manifest.as_of, f"data {manifest.data_hash[:12]}"),
    )
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return {"importances.png": picture.getvalue()}
