"""Which version each title shall be served from: asked once per reload, for all workers alike.

The Gunicorn master asks before it forks, so that a slow registry keeps nobody waiting: the old
workers answer until the copies are on disk. It verifies them too, but never forecasts.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from forecast_api.last_good import LastGood
from ringside.core.titles import CHAMPION, Title
from ringside.errors import ModelRefusedError, RegistryUnavailableError

log = logging.getLogger(__name__)

Source = Literal["registry", "last-good-copy"]

REGISTRY_DOWN = "the registry did not answer"
REGISTRY_UNUSABLE = "the registry gave an answer that cannot be used"
NO_CHAMPION = "the registry names no champion"


class FoundVersion(Protocol):
    """A version that the registry knows."""

    @property
    def version(self) -> int:
        """Its number, from 1."""


class Registry(Protocol):
    """What is asked of the registry."""

    def find_version(self, model_name: str, alias: str) -> FoundVersion | None:
        """Find the version that an alias points to, or None."""

    def download(self, model_name: str, version: int, into: Path) -> Path:
        """Bring a verified copy of a version to this machine."""


@dataclass(frozen=True)
class Candidate:
    """A version on disk from which workers shall serve a title."""

    title: Title
    version: int
    source: Source


@dataclass(frozen=True)
class Refusal:
    """Why the registry's champion of a title is not served; `version` is None if never learnt."""

    title: Title
    version: int | None
    reason: str


@dataclass(frozen=True)
class Lineup:
    """The candidates of one generation of workers. A title may have none."""

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
    """Choose a candidate per title: the registry's champion, else the last good copy.

    A registry that fails to answer once is not asked again in this round.
    """
    found: list[Candidate | Refusal] = []
    try:
        for title in titles:
            found.append(_ask(title, registry, models_dir))
    except RegistryUnavailableError as error:
        log.warning("%s; the last good copies serve", error)
    unasked = [Refusal(title, None, REGISTRY_DOWN) for title in titles[len(found) :]]
    return _fill([*found, *unasked], last_good, generation)


def fall_back(titles: Sequence[Title], last_good: LastGood, *, generation: int) -> Lineup:
    """Choose the last good copy of every title, for when the registry cannot be used at all."""
    refused = [Refusal(title, None, REGISTRY_UNUSABLE) for title in titles]
    return _fill(refused, last_good, generation)


def _fill(found: Sequence[Candidate | Refusal], last_good: LastGood, generation: int) -> Lineup:
    """Put the last good copies in the places of those that were refused."""
    candidates: list[Candidate] = []
    for each in found:
        candidates += (
            [each] if isinstance(each, Candidate) else find_last_good(each.title, last_good)
        )
    refused = tuple(each for each in found if isinstance(each, Refusal))
    return Lineup(generation, tuple(candidates), refused)


def find_last_good(title: Title, last_good: LastGood) -> list[Candidate]:
    """Return the last good copy of a title as its candidate, or nothing."""
    copy = last_good.find(title)
    return [] if copy is None else [Candidate(title, copy.version, "last-good-copy")]


def _ask(title: Title, registry: Registry, models_dir: Path) -> Candidate | Refusal:
    """Bring the registry's champion here, or say why it cannot serve."""
    version: int | None = None
    try:
        found = registry.find_version(title.model_name, CHAMPION)
        if found is None:
            return Refusal(title, None, NO_CHAMPION)
        version = found.version
        registry.download(title.model_name, version, models_dir)
    except (ModelRefusedError, OSError) as error:
        log.error("refused %s version=%s: %s", title.model_name, version, error)  # noqa: TRY400 - a reason, not a bug
        return Refusal(title, version, tell_reason(error))
    return Candidate(title, version, "registry")


def tell_reason(error: Exception) -> str:
    """Put an error into one line for callers: without the paths of this machine."""
    if isinstance(error, OSError):
        return f"its copy could not be kept on disk: {error.strerror}"
    words = str(error).partition("\n")[0].split(" ")
    return " ".join("(path)" if word.startswith("/") else word for word in words)
