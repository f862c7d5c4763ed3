"""The models in memory: loaded from disk after the fork, and proved before they serve."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from forecast_api.last_good import GoodCopy, LastGood, hash_model
from forecast_api.lineup import BASELINE, Candidate, Lineup, Refusal, Source, tell_reason
from ringside.adapters.model_files import LoadedModel, load_contestant
from ringside.core.candles import HOUR, Candles, Floats
from ringside.core.features import LOOKBACK, FeatureTable, compute_features
from ringside.core.forecasting import forecast_calibrated
from ringside.core.forecasts import NO_SHIFTS
from ringside.core.known_values import KnownValues
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.errors import ModelRefusedError

log = logging.getLogger(__name__)

GOLDEN_ROWS = 24


@dataclass(frozen=True)
class Champion:
    """A proved model on one rung of a title's ladder. `sha256` is that of its manifest."""

    title: Title
    version: int
    sha256: str
    source: Source
    model: LoadedModel

    @property
    def contestant(self) -> str:
        """Name of the contestant."""
        return self.model.manifest.contestant

    def forecast(self, features: FeatureTable, *, shifts: Sequence[float] = NO_SHIFTS) -> Floats:
        """Forecast log-return quantiles at `LEVELS`, moved by the shifts, shape (n, 5).

        Raises:
            ModelRefusedError: they are not finite numbers in ascending order, or a feature is not
                given; a baseline only needs to know sigma.
        """
        contestant, horizon = self.model.contestant, self.title.horizon
        if contestant.is_baseline:
            return forecast_calibrated(contestant, features, horizon=horizon, shifts=shifts)
        if not features.is_usable.all():
            raise ModelRefusedError("too many of the hours that it looks at are missing")
        names = self.model.manifest.feature_names
        missing = sorted(set(names) - set(features.names))
        if missing:
            raise ModelRefusedError(f"no auxiliary values are given for {', '.join(missing)}")
        return forecast_calibrated(
            contestant, features, horizon=horizon, shifts=shifts, names=names
        )

    def describe(self) -> dict[str, object]:
        """Return what `/v1/model` says of it."""
        return {
            "symbol": self.title.symbol,
            "horizon": self.title.horizon,
            "contestant": self.contestant,
            "version": self.version,
            "sha256": self.sha256,
            "source": self.source,
            "fitted_as_of": self.model.manifest.as_of.isoformat(),
        }


@dataclass(frozen=True)
class Champions:
    """What one worker serves, and what it refused; each title's ladder is best first."""

    generation: int
    loaded_at: datetime
    ladders: dict[Title, tuple[Champion, ...]]
    refused: tuple[Refusal, ...]

    @property
    def by_title(self) -> dict[Title, Champion]:
        """The model that serves each title; one without a sound model is left out."""
        return {title: ladder[0] for title, ladder in self.ladders.items() if ladder}

    @property
    def look_back(self) -> int:
        """Candles that the most demanding of the models needs."""
        needs = [c.model.manifest.look_back for ladder in self.ladders.values() for c in ladder]
        return max(needs, default=LOOKBACK)

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/model` says of them all."""
        by_title = self.by_title
        return {
            "generation": self.generation,
            "loaded_at": self.loaded_at.isoformat(),
            "titles": [by_title[title].describe() for title in sorted(by_title)],
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


def load_champions(
    lineup: Lineup, last_good: LastGood, *, loaded_at: datetime, auxiliary: Sequence[str] = ()
) -> Champions:
    """Load and prove every candidate; each title serves from the best that is sound.

    A model fitted with a series that `auxiliary` does not name is refused.
    The pointer to the last good copies moves to whatever was proved.
    """
    ladders: dict[Title, tuple[Champion, ...]] = {}
    refused = list(lineup.refused)
    golden = make_golden_features(tuple(auxiliary))
    for candidate in lineup.candidates:
        try:
            champion = _load(candidate, last_good, golden)
        except (ModelRefusedError, OSError) as error:
            title, version = candidate.title, candidate.version
            log.error("refused %s version=%s: %s", title.model_name, version, error)  # noqa: TRY400 - a reason, not a bug
            refused.append(Refusal(title, version, tell_reason(error)))
        else:
            ladders[champion.title] = (*ladders.get(champion.title, ()), champion)
    last_good.move(_find_proved(ladders))
    return Champions(lineup.generation, loaded_at, ladders, tuple(refused))


def _find_proved(ladders: dict[Title, tuple[Champion, ...]]) -> dict[tuple[Title, str], GoodCopy]:
    """Say which copies to remember in which role; a baseline never passes for a champion."""
    proved: dict[tuple[Title, str], GoodCopy] = {}
    for title, ladder in ladders.items():
        for champion in ladder:
            role = BASELINE
            if champion.source != BASELINE:
                role = PREVIOUS_CHAMPION if (title, CHAMPION) in proved else CHAMPION
            proved.setdefault((title, role), GoodCopy(champion.version, champion.sha256))
    return proved


def _load(candidate: Candidate, last_good: LastGood, golden: FeatureTable) -> Champion:
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
    if candidate.sha256 not in (None, digest):
        raise ModelRefusedError("its manifest is not the one that was proved good")
    champion = Champion(title, candidate.version, digest, candidate.source, model)
    champion.forecast(golden)
    return champion


@cache
def make_golden_features(auxiliary: tuple[str, ...] = ()) -> FeatureTable:
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
    daily = slice(None, None, 24)
    values = KnownValues(candles.close_time[daily], 20 + np.sin(hours[daily] / 50))
    return compute_features(candles, rows=GOLDEN_ROWS, auxiliary=dict.fromkeys(auxiliary, values))
