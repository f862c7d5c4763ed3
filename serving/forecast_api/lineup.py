"""Which versions may serve each title, best first: asked once per reload, for all workers alike.

The ladder of a title is: the registry's champion, what was last proved good, the previous
champion, the baseline. The Gunicorn master climbs it before it forks, so that a slow registry
keeps nobody waiting: the old workers answer until the copies are on disk. It verifies the copies
too, but never forecasts.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from forecast_api.last_good import LastGood
from ringside.core.titles import BASELINES, CHAMPION, PREVIOUS_CHAMPION, Title, find_alias
from ringside.errors import ModelRefusedError, RegistryUnavailableError

log = logging.getLogger(__name__)

Source = Literal["registry", "last-good-copy", "previous-champion", "baseline"]

BASELINE = "baseline"
REGISTRY_DOWN = "the registry did not answer"
REGISTRY_UNUSABLE = "the registry gave an answer that cannot be used"
NO_CHAMPION = "the registry names no champion"
_BASELINE_ALIASES = tuple(find_alias(name) for name in reversed(BASELINES))
"""The band that follows volatility first."""


class Registry(Protocol):
    """What is asked of the registry."""

    def find_aliases(self, model_name: str) -> Mapping[str, int]:
        """Find every alias of a model and the version it points to."""

    def download(self, model_name: str, version: int, into: Path) -> Path:
        """Bring a verified copy of a version to this machine."""


@dataclass(frozen=True)
class Candidate:
    """A version on disk from which workers may serve a title; `sha256` where it must be that."""

    title: Title
    version: int
    source: Source
    sha256: str | None = None


@dataclass(frozen=True)
class Refusal:
    """Why the registry's champion of a title is not served; `version` is None if never learnt."""

    title: Title
    version: int | None
    reason: str


@dataclass(frozen=True)
class Lineup:
    """The candidates of one generation of workers, best first in each title, which may have none.

    `generation` is 0 before the first.
    """

    generation: int
    candidates: tuple[Candidate, ...]
    refused: tuple[Refusal, ...]


def choose_lineup(
    titles: Sequence[Title],
    registry: Registry,
    last_good: LastGood,
    *,
    models_dir: Path,
    generation: int,
) -> Lineup:
    """Choose the candidates of every title from the registry and from what is on disk.

    A registry that fails to answer once is not asked again in this round.
    """
    candidates: list[Candidate] = []
    refused: list[Refusal] = []
    is_up = True
    for title in titles:
        try:
            ladder, refusals = (
                _ask(title, registry, last_good, models_dir) if is_up else _do_without(title)
            )
        except RegistryUnavailableError as error:
            log.warning("%s; the last good copies serve", error)
            is_up = False
            ladder, refusals = _do_without(title)
        known = refusals[0].version if refusals else None
        candidates += _add_copies(title, ladder, last_good, is_champion_known=known is not None)
        refused += refusals
    return Lineup(generation, tuple(candidates), tuple(refused))


def fall_back(titles: Sequence[Title], last_good: LastGood, *, generation: int) -> Lineup:
    """Choose the last good copies of every title, for when the registry cannot be used at all."""
    refused = tuple(Refusal(title, None, REGISTRY_UNUSABLE) for title in titles)
    candidates = [
        candidate
        for title in titles
        for candidate in _add_copies(title, [], last_good, is_champion_known=False)
    ]
    return Lineup(generation, tuple(candidates), refused)


def _do_without(title: Title) -> tuple[list[Candidate], list[Refusal]]:
    return [], [Refusal(title, None, REGISTRY_DOWN)]


def _ask(
    title: Title, registry: Registry, last_good: LastGood, models_dir: Path
) -> tuple[list[Candidate], list[Refusal]]:
    """Bring what the registry names to this machine; only a missing champion is a refusal."""
    aliases = registry.find_aliases(title.model_name)
    ladder: list[Candidate] = []
    refusals: list[Refusal] = []
    baseline = next((alias for alias in _BASELINE_ALIASES if alias in aliases), None)
    rungs: tuple[tuple[Source, str | None], ...] = (
        ("registry", CHAMPION), ("previous-champion", PREVIOUS_CHAMPION), ("baseline", baseline),
    )  # fmt: skip
    if CHAMPION not in aliases:
        refusals.append(Refusal(title, None, NO_CHAMPION))
    for source, alias in rungs:
        version = aliases.get(alias) if alias else None
        if version is None:
            continue
        try:
            registry.download(title.model_name, version, models_dir)
            ladder.append(Candidate(title, version, source))
        except (ModelRefusedError, OSError) as error:
            log.error("refused %s version=%s: %s", title.model_name, version, error)  # noqa: TRY400 - a reason, not a bug
            if alias == CHAMPION:
                refusals.append(Refusal(title, version, tell_reason(error)))
    return ladder, refusals


def _add_copies(
    title: Title, ladder: Sequence[Candidate], last_good: LastGood, *, is_champion_known: bool
) -> list[Candidate]:
    """Put what was proved good here into the ladder, each version once, best first."""
    copies = last_good.find_all(title)
    has_champion = any(candidate.source == "registry" for candidate in ladder)
    kept: Source = "previous-champion" if has_champion or is_champion_known else "last-good-copy"
    remembered: tuple[tuple[str, Source], ...] = (
        (CHAMPION, kept), (PREVIOUS_CHAMPION, "previous-champion"), (BASELINE, "baseline"),
    )  # fmt: skip
    found = [
        Candidate(title, copies[role].version, source, copies[role].sha256)
        for role, source in remembered
        if role in copies
    ]
    order: tuple[Source, ...] = ("registry", "last-good-copy", "previous-champion", "baseline")
    # what served until now comes before what the registry calls previous: `sorted` is stable
    ranked = sorted([*found, *ladder], key=lambda candidate: order.index(candidate.source))
    once: dict[tuple[int, bool], Candidate] = {}
    for candidate in ranked:
        once.setdefault((candidate.version, candidate.source == "baseline"), candidate)
    return list(once.values())


def tell_reason(error: Exception) -> str:
    """Put an error into one line for callers: without the paths of this machine."""
    if isinstance(error, OSError):
        return f"its copy could not be kept on disk: {error.strerror}"
    words = str(error).partition("\n")[0].split(" ")
    return " ".join("(path)" if word.startswith("/") else word for word in words)
