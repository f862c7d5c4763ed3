"""The champions in memory: loaded from disk after the fork, and proved before they serve."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from forecast_api.last_good import GoodCopy, LastGood, hash_model
from forecast_api.lineup import Candidate, Lineup, Refusal, Source, find_last_good, tell_reason
from ringside.adapters.model_files import LoadedModel, load_contestant
from ringside.core.candles import HOUR, Candles, Floats
from ringside.core.features import LOOKBACK, FeatureTable, compute_features
from ringside.core.quantiles import LEVELS
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError

log = logging.getLogger(__name__)

GOLDEN_ROWS = 24


@dataclass(frozen=True)
class Champion:
    """A proved model that serves a title. `sha256` is that of its manifest."""

    title: Title
    version: int
    sha256: str
    source: Source
    model: LoadedModel

    @property
    def contestant(self) -> str:
        """Name of the contestant that holds the title."""
        return self.model.manifest.contestant

    def forecast(self, features: FeatureTable) -> Floats:
        """Forecast log-return quantiles at `LEVELS`, shape (n, 5).

        Raises:
            ModelRefusedError: they are not finite numbers in ascending order.
        """
        quantiles = self.model.contestant.forecast(features.values, features.sigma)
        is_shaped = quantiles.shape == (len(features.sigma), len(LEVELS))
        if not is_shaped or not np.isfinite(quantiles).all() or np.any(np.diff(quantiles) < 0):
            raise ModelRefusedError("its forecast is not five finite ascending quantiles")
        return quantiles

    def describe(self) -> dict[str, object]:
        """Return what `/v1/model` says of it."""
        return {
            "symbol": self.title.symbol,
            "horizon": self.title.horizon,
            "contestant": self.contestant,
            "version": self.version,
            "sha256": self.sha256,
            "source": self.source,
        }


@dataclass(frozen=True)
class Champions:
    """What one worker serves, and what it refused."""

    generation: int
    loaded_at: datetime
    by_title: dict[Title, Champion]
    refused: tuple[Refusal, ...]

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/model` says of them all."""
        return {
            "generation": self.generation,
            "loaded_at": self.loaded_at.isoformat(),
            "titles": [self.by_title[title].describe() for title in sorted(self.by_title)],
            "refused": [
                {
                    "symbol": refusal.title.symbol,
                    "horizon": refusal.title.horizon,
                    "version": refusal.version,
                    "reason": refusal.reason,
                }
                for refusal in self.refused
            ],
        }


def load_champions(lineup: Lineup, last_good: LastGood, *, loaded_at: datetime) -> Champions:
    """Load and prove every candidate; a title whose candidate fails falls to its last good copy.

    The pointer to the last good copies moves to whatever was proved.
    """
    proved: dict[Title, Champion] = {}
    refused = list(lineup.refused)
    for candidate in lineup.candidates:
        champion = _load_first(_line_up(candidate, last_good), last_good, refused)
        if champion is not None:
            proved[candidate.title] = champion
    last_good.move({title: GoodCopy(c.version, c.sha256) for title, c in proved.items()})
    return Champions(lineup.generation, loaded_at, proved, tuple(refused))


def _line_up(candidate: Candidate, last_good: LastGood) -> Iterable[Candidate]:
    yield candidate
    if candidate.source == "registry":
        for copy in find_last_good(candidate.title, last_good):
            if copy.version != candidate.version:
                yield copy


def _load_first(
    candidates: Iterable[Candidate], last_good: LastGood, refused: list[Refusal]
) -> Champion | None:
    """Return the first candidate that is sound; the others go to `refused` with the reason."""
    for candidate in candidates:
        try:
            return _load(candidate, last_good)
        except (ModelRefusedError, OSError) as error:
            title, version = candidate.title, candidate.version
            log.error("refused %s version=%s: %s", title.model_name, version, error)  # noqa: TRY400 - a reason, not a bug
            refused.append(Refusal(title, version, tell_reason(error)))
    return None


def _load(candidate: Candidate, last_good: LastGood) -> Champion:
    """Load one model and ask it for the golden forecast.

    Raises:
        ModelRefusedError: it is altered, made for another title, or forecasts nonsense.
        OSError: its files cannot be read.
    """
    title = candidate.title
    folder = last_good.find_folder(title, candidate.version)
    model = load_contestant(folder)
    if (model.manifest.symbol, model.manifest.horizon) != (title.symbol, title.horizon):
        raise ModelRefusedError(
            f"it was made for {model.manifest.symbol} at {model.manifest.horizon} candles ahead"
        )
    digest = hash_model(folder)
    good = last_good.find(title)
    if candidate.source == "last-good-copy" and good is not None and good.sha256 != digest:
        raise ModelRefusedError("its manifest is not the one that was proved good")
    champion = Champion(title, candidate.version, digest, candidate.source, model)
    champion.forecast(make_golden_features())
    return champion


@cache
def make_golden_features() -> FeatureTable:
    """Make the rows every model must forecast before it serves: a day of a made-up market.

    They come from candles through `compute_features`, so that a model fitted on other columns
    than those of today's code cannot pass.
    """
    hours = np.arange(LOOKBACK + GOLDEN_ROWS)
    close = 50_000 * np.exp(0.02 * np.sin(hours / 7) + 0.01 * np.sin(hours / 1.7))
    spread = 1 + 0.002 * (2 + np.cos(hours / 5))
    candles = Candles(
        symbol="golden",
        open_time=np.datetime64("2024-01-01T00", "s") + hours * HOUR,
        open=close,
        high=close * spread,
        low=close / spread,
        close=close,
        volume=10 + 5 * np.cos(hours / 11),
    )
    return compute_features(candles, rows=GOLDEN_ROWS)
