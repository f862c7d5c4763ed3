"""Puts each new challenger through a real serving process before it may enter the ring.

A version that crashes the service, keeps it waiting, forecasts nonsense or fails its checksum is
marked refused in the registry and never gets an alias. Baselines are a few lines of arithmetic
without a booster; they enter unexamined, as the first champion must not wait for a service.
"""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ringside.adapters.candle_store import CandleStore
from ringside.adapters.database import make_engine
from ringside.adapters.examinee_registry import examinee_registry
from ringside.adapters.model_files import load_contestant
from ringside.adapters.registry import Registry
from ringside.adapters.trial_service import TrialAnswer, trial_service
from ringside.core.candles import Candles, floor_hour, to_datetime
from ringside.core.contestants import CONTESTANTS
from ringside.core.examination import find_fault
from ringside.core.features import LOOKBACK, FeatureTable, compute_features
from ringside.core.forecasting import forecast_quantiles
from ringside.core.manifest import Fit
from ringside.core.quantiles import LEVELS
from ringside.core.titles import CHALLENGER, CHALLENGING, Title, list_ring_aliases
from ringside.errors import HistoryTooShortError, ModelRefusedError
from ringside.jobs.forecasting import read_auxiliary
from ringside.settings import Settings

EXAMINED_HOURS = 28 * 24
"""Past hours whose forecasts must be sane, beside the one that the service is asked for."""

ASKED_TIMES = 5
SLOWEST_S = 2.0
"""Even the quickest of the answers may take no longer; one alone may meet a busy machine."""

PASSED = "passed"
EXAMINATION, ENTERED = "examination", "entered"  # tags of a version

_COLUMNS = ("open", "high", "low", "close", "volume")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examinee:
    """One version of a training, and what its examination said; empty before it."""

    title: Title
    contestant: str
    version: int
    result: str


@dataclass(frozen=True)
class ExaminationFacts:
    """The versions that may enter the ring, and those that may not with their reasons."""

    symbol: str
    passed: tuple[Examinee, ...]
    refused: tuple[Examinee, ...]
    seconds: float


def examine(settings: Settings, symbol: str, *, as_of: datetime) -> ExaminationFacts:
    """Examine every challenger that the training of `as_of` made; one that passed before is left.

    Raises:
        ModelRefusedError: the training's versions are not in the registry.
        SettingsError: the service's environment is not where the settings say.
        ServingUnavailableError: the service itself did not start, whatever the model.
        HistoryTooShortError: too few candles are there to ask about.
        RegistryUnavailableError: MLflow did not answer.
    """
    started = time.monotonic()
    _log.info("examining symbol=%s as_of=%s", symbol, as_of.isoformat())
    passed: list[Examinee] = []
    refused: list[Examinee] = []
    with Registry(settings.mlflow_url) as registry:
        for examinee in _find_examinees(settings, registry, symbol, as_of=as_of):
            if CONTESTANTS[examinee.contestant].is_baseline:
                continue
            result = examinee.result
            if result != PASSED:
                result = _examine_one(settings, registry, examinee, as_of=as_of) or PASSED
                name = examinee.title.model_name
                registry.set_tag(name, examinee.version, EXAMINATION, result)
            seen = Examinee(examinee.title, examinee.contestant, examinee.version, result)
            (passed if result == PASSED else refused).append(seen)
            _log.info("examined %s version=%d result=%s", seen.title, seen.version, result)
    seconds = round(time.monotonic() - started, 2)
    return ExaminationFacts(symbol, tuple(passed), tuple(refused), seconds)


def enter_ring(settings: Settings, symbol: str, *, as_of: datetime) -> tuple[Examinee, ...]:
    """Give aliases to the training's baselines and to its challengers that passed.

    A recipe's newest versions keep forecasting in the shadow under numbered aliases, so that one
    of them has a record of its own when the title comes to it. `challenger` is the newest
    of one recipe, which has its own name beside it. Running it again changes nothing.

    Raises:
        ModelRefusedError: the training's versions are not in the registry.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    entered = []
    with Registry(settings.mlflow_url) as registry:
        for examinee in _find_examinees(settings, registry, symbol, as_of=as_of):
            is_baseline = CONTESTANTS[examinee.contestant].is_baseline
            if not is_baseline and examinee.result != PASSED:
                continue
            name = examinee.title.model_name
            registry.set_tag(name, examinee.version, ENTERED, "yes")
            _line_up_recipe(registry, examinee)
            if examinee.contestant == CHALLENGING:
                registry.set_newest(name, CHALLENGER, examinee.version)
            entered.append(examinee)
            _log.info("entered %s %s v%d", name, examinee.contestant, examinee.version)
    return tuple(entered)


def require_passed(settings: Settings, symbol: str, *, as_of: datetime) -> None:
    """Fail loudly when a challenger of the training was refused.

    Raises:
        ModelRefusedError: the message names each refused version with its reason.
    """
    with Registry(settings.mlflow_url) as registry:
        refused = [
            f"{one.title.model_name} {one.contestant} v{one.version}: {one.result or 'unexamined'}"
            for one in _find_examinees(settings, registry, symbol, as_of=as_of)
            if not CONTESTANTS[one.contestant].is_baseline and one.result != PASSED
        ]
    if refused:
        raise ModelRefusedError("; ".join(refused))


def _find_examinees(
    settings: Settings, registry: Registry, symbol: str, *, as_of: datetime
) -> Iterator[Examinee]:
    for horizon in settings.horizons:
        title = Title(symbol, horizon)
        for contestant in CONTESTANTS:
            fit = Fit(contestant, symbol, horizon, as_of, settings.seed)
            version = registry.find_fit(title.model_name, fit)
            if version is None:
                raise ModelRefusedError(f"{title.model_name} has no version of {fit}: train again")
            tags = registry.read_version(title.model_name, version).tags
            yield Examinee(title, contestant, version, tags.get(EXAMINATION, ""))


def _line_up_recipe(registry: Registry, examinee: Examinee) -> None:
    """Point the recipe's numbered aliases at its newest versions in the ring, newest first."""
    name = examinee.title.model_name
    entered = [
        version
        for version in registry.find_tagged(name, ENTERED, "yes")
        if version.contestant == examinee.contestant
    ]
    entered.sort(key=lambda version: (version.tags["as_of"], version.version), reverse=True)
    aliases = list_ring_aliases(examinee.contestant)
    for alias, version in zip(aliases, entered, strict=False):
        registry.set_alias(name, alias, version.version)


def _examine_one(
    settings: Settings, registry: Registry, examinee: Examinee, *, as_of: datetime
) -> str:
    """Serve one version alone and look at what it does; say what is wrong, empty if nothing."""
    title = examinee.title
    candles, hours = _read_past(settings, title, as_of=as_of)
    windows = [_cut_window(candles, hours, place) for place in range(-ASKED_TIMES, 0)]
    try:
        folder = registry.download(title.model_name, examinee.version, settings.models_dir)
        digest = registry.hash_manifest(title.model_name, examinee.version)
        view = examinee_registry(settings.mlflow_url, title.model_name, examinee.version)
        with tempfile.TemporaryDirectory(prefix="ringside-trial-") as state, view as mlflow_url:
            seen = settings.model_copy(update={"mlflow_url": mlflow_url, "series": (title.symbol,)})
            with trial_service(seen, Path(state)) as service:
                _require_served(service.await_model(), examinee, digest)
                bodies = [{"symbol": title.symbol, "windows": [window]} for window in windows]
                answers = [service.ask("/v1/predict", body) for body in bodies]
        _require_sane(answers, examinee)
        # only now in this process, where a crash would end the examination of all
        model = load_contestant(folder)
        names = model.manifest.feature_names
        quantiles = forecast_quantiles(model.contestant, hours, names=names)
        return find_fault(quantiles, hours.sigma, title.horizon)
    except ModelRefusedError as error:
        log = str(error.facts.get("log", ""))
        _log.warning("%s v%d is refused: %s\n%s", title, examinee.version, error, log)
        return str(error)


def _require_served(answer: TrialAnswer, examinee: Examinee, digest: str) -> None:
    wanted = (examinee.title.horizon, examinee.contestant, examinee.version, digest)
    titles, refused = answer.body.get("titles"), answer.body.get("refused")
    served = [
        (one["horizon"], one["contestant"], one["version"], one["sha256"])
        for one in (titles if isinstance(titles, list) else [])
    ]
    if wanted in served:
        return
    reasons = [
        str(one["reason"])
        for one in (refused if isinstance(refused, list) else [])
        if one["horizon"] == examinee.title.horizon
    ]
    raise ModelRefusedError(f"the service refused it: {'; '.join(reasons) or served}")


def _require_sane(answers: Sequence[TrialAnswer], examinee: Examinee) -> None:
    """Look at what the service answered, and how fast."""
    quickest_s = min(answer.seconds for answer in answers)
    if quickest_s > SLOWEST_S:
        raise ModelRefusedError(
            f"its quickest answer took {quickest_s:.1f} s; at most {SLOWEST_S:g} s are allowed"
        )
    for answer in answers:
        windows = answer.body.get("windows")
        told = windows[0] if isinstance(windows, list) and windows else {}
        mine = [
            one
            for one in told.get("forecasts", [])
            if one["horizon"] == examinee.title.horizon and one["version"] == examinee.version
        ]
        if not mine:
            why = told.get("unavailable") or answer.body.get("detail")
            raise ModelRefusedError(
                f"the service forecast nothing with it ({answer.status}): {why}"
            )
        levels = np.array([mine[0]["log_return"][str(level)] for level in LEVELS], float)
        if not np.isfinite(levels).all():
            raise ModelRefusedError("the service answered a forecast that is not finite")


def _read_past(
    settings: Settings, title: Title, *, as_of: datetime
) -> tuple[Candles, FeatureTable]:
    """Read the last weeks' candles, and the features of each hour that can be forecast from.

    Raises:
        HistoryTooShortError: there are too few such hours to ask about.
    """
    count, hour, engine = LOOKBACK + EXAMINED_HOURS, floor_hour(as_of), make_engine(settings)
    candles = CandleStore(engine).read_candles(title.symbol, as_of=hour, count=count)
    auxiliary = read_auxiliary(engine, settings.auxiliary, as_of=hour, hours=count)
    table = compute_features(candles, auxiliary=auxiliary)
    hours = table.take(np.flatnonzero(table.is_usable & (table.sigma > 0)))
    if len(hours.sigma) < ASKED_TIMES:
        raise HistoryTooShortError(
            f"{title.symbol} has {len(candles)} candles before {as_of.isoformat()}: too few to ask "
            "a new model about"
        )
    return candles, hours


def _cut_window(candles: Candles, hours: FeatureTable, place: int) -> dict[str, object]:
    """Write the candles up to one hour as the service takes them."""
    last = int(np.searchsorted(candles.open_time, hours.open_time[place]))
    window = candles.take(slice(max(0, last + 1 - LOOKBACK), last + 1))
    columns = {name: getattr(window, name).tolist() for name in _COLUMNS}
    opened = [to_datetime(instant).isoformat() for instant in window.open_time]
    return {"open_time": opened, **columns}
