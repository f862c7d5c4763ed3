"""Fits every contestant of a series for every horizon and enters the versions in the registry."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import ringside
from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry import Registration, Registry
from ringside.adapters.title_store import TitleStore
from ringside.core.candles import Candles, floor_hour, to_datetime, to_datetime64
from ringside.core.contestants import CONTESTANTS, Contestant, Sample
from ringside.core.features import FEATURE_NAMES, LOOKBACK, WARM_UP, compute_features
from ringside.core.manifest import Fit, Manifest, compute_checksums, hash_candles
from ringside.core.metrics import compute_pinball_loss
from ringside.core.quantiles import LEVELS
from ringside.core.splits import make_sample
from ringside.core.titles import CHAMPION, FIRST_CHAMPION, Title, baseline_alias
from ringside.core.verdicts import Reign
from ringside.errors import HistoryTooShortError, ModelRefusedError, TitleError
from ringside.settings import Settings

MIN_TRAIN_ROWS = 240
"""Ten days of hours: with fewer, a 90 % band rests on two dozen outcomes."""

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


@dataclass(frozen=True)
class CrowningFacts:
    """Which horizons of a series got their first champion now, and which had one."""

    symbol: str
    crowned: tuple[int, ...]
    held: tuple[int, ...]


def train(
    settings: Settings, symbol: str, *, as_of: datetime, seed: int | None = None
) -> TrainingFacts:
    """Fit all contestants on the `train_days` before `as_of` and register what came out.

    Running it again for the same instant and seed fits and registers nothing twice.

    Raises:
        HistoryTooShortError: Too few candles are published; the message says how many it takes.
        RegistryUnavailableError: MLflow did not answer; running again goes on where it stopped.
        StoreUnavailableError: PostgreSQL did not answer.
    """
    started = time.monotonic()
    seed = settings.seed if seed is None else seed
    _log.info("training symbol=%s as_of=%s seed=%d", symbol, as_of.isoformat(), seed)
    candles = read_history(settings, symbol, as_of=as_of, days=settings.train_days)
    samples = make_samples(settings, candles, as_of=as_of)
    data_hash = hash_candles(candles)
    with Registry(settings.mlflow_url) as registry:
        versions = tuple(
            _enter(registry, Fit(name, symbol, sample.horizon, as_of, seed), sample, data_hash)
            for sample in samples
            for name in CONTESTANTS
        )
    seconds = round(time.monotonic() - started, 2)
    facts = TrainingFacts(symbol, as_of.isoformat(), len(candles), versions, seconds)
    _log.info(
        "trained symbol=%s as_of=%s candles=%d versions=%d new=%d seconds=%.1f",
        symbol,
        facts.as_of,
        facts.candles,
        len(versions),
        sum(version.is_new for version in versions),
        seconds,
    )
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


def crown_first_champion(
    settings: Settings, symbol: str, *, as_of: datetime, promoted_by: str
) -> CrowningFacts:
    """Give each title of the series that nobody holds to persistence.

    The alias moves first and the history follows it, so a killed run is finished by the next.

    Raises:
        TitleError: The series was never trained: the registry has no persistence to crown.
        RegistryUnavailableError: MLflow did not answer.
    """
    store = TitleStore(make_engine(settings))
    crowned, held = [], []
    with Registry(settings.mlflow_url) as registry:
        for horizon in settings.horizons:
            title = Title(symbol, horizon)
            aliases = registry.find_aliases(title.model_name)
            reign = store.read_champion(symbol, horizon)
            if reign is None:
                reign = _make_first_reign(title, aliases, as_of=as_of, promoted_by=promoted_by)
                registry.set_alias(title.model_name, CHAMPION, reign.model_version)
                store.append_reign(reign)
                crowned.append(horizon)
                continue
            held.append(horizon)
            if CHAMPION not in aliases:
                registry.set_alias(title.model_name, CHAMPION, reign.model_version)
    facts = CrowningFacts(symbol, tuple(crowned), tuple(held))
    _log.info("crowned symbol=%s horizons=%s held=%s", symbol, facts.crowned, facts.held)
    return facts


def read_history(settings: Settings, symbol: str, *, as_of: datetime, days: int) -> Candles:
    """Read the candles that `days` of rows before `as_of` look at, their look-back included."""
    hours = days * 24 + LOOKBACK
    start = floor_hour(as_of) - timedelta(hours=hours)
    return CandleStore(make_engine(settings)).read_candles(symbol, as_of=as_of, start=start)


def make_samples(settings: Settings, candles: Candles, *, as_of: datetime) -> list[Sample]:
    """Make one sample per horizon of what was known at `as_of`.

    Raises:
        HistoryTooShortError: A sample has fewer rows than a band can be drawn from.
    """
    samples = []
    if len(candles):
        table = compute_features(candles)
        instant = to_datetime64(as_of)
        samples = [
            make_sample(table, horizon=horizon, as_of=instant, train_days=settings.train_days)
            for horizon in settings.horizons
        ]
    rows = min((len(sample) for sample in samples), default=0)
    if rows < MIN_TRAIN_ROWS:
        needed = MIN_TRAIN_ROWS + WARM_UP + max(settings.horizons)
        raise HistoryTooShortError(
            f"{candles.symbol} has {len(candles)} closed candles at {as_of.isoformat()}, of which "
            f"{rows} can be fitted on; it takes about {needed} in a row",
            symbol=candles.symbol,
            candles=len(candles),
            rows=rows,
            needed=needed,
        )
    return samples


def _enter(registry: Registry, fit: Fit, sample: Sample, data_hash: str) -> Registration:
    """Fit and register unless that was done before; it gets an alias after its examination."""
    model_name = Title(fit.symbol, fit.horizon).model_name
    version = registry.find_fit(model_name, fit)
    if version is None:
        started = time.monotonic()
        contestant = CONTESTANTS[fit.contestant]()
        contestant.fit(sample, seed=fit.seed)
        metrics = _measure(contestant, sample) | {"fit_s": time.monotonic() - started}
        files = contestant.save()
        manifest = Manifest(
            **vars(fit),
            levels=LEVELS,
            feature_names=FEATURE_NAMES,
            look_back=LOOKBACK,
            train_start=to_datetime(sample.open_time[0]),
            train_end=to_datetime(sample.open_time[-1]),
            train_rows=len(sample),
            data_hash=data_hash,
            code_version=ringside.__version__,
            files=compute_checksums(files),
        )
        registration = registry.register(manifest, files, metrics=metrics)
    else:
        registration = Registration(model_name, fit.contestant, version, is_new=False)
    return registration


def _measure(contestant: Contestant, sample: Sample) -> dict[str, float]:
    """Compute how well the model fits its own rows; a verdict never looks at these numbers."""
    quantiles = contestant.forecast(sample.features, sample.sigma)
    loss = compute_pinball_loss(sample.target, quantiles)
    return {
        "in_sample_loss": float(loss.mean()),
        "in_sample_scaled_loss": float((loss / sample.sigma).mean()),
        "train_rows": float(len(sample)),
    }


def _make_first_reign(
    title: Title, aliases: dict[str, int], *, as_of: datetime, promoted_by: str
) -> Reign:
    version = aliases.get(baseline_alias(FIRST_CHAMPION))
    if version is None:
        raise TitleError(
            f"{title.model_name} has no version of {FIRST_CHAMPION}: train {title.symbol} first"
        )
    return Reign(
        symbol=title.symbol,
        horizon=title.horizon,
        contestant=FIRST_CHAMPION,
        model_version=version,
        held_from=floor_hour(as_of),
        promoted_at=datetime.now(UTC),
        promoted_by=promoted_by,
        reason="Nobody held the title; the naive forecast holds it until it is beaten.",
    )
