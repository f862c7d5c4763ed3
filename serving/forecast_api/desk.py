"""What the views of one worker answer from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from flask import current_app

from forecast_api.champions import Champions
from forecast_api.hourly import HourlyForecasts
from forecast_api.market import Market
from forecast_api.stored_history import History
from forecast_api.worker_board import WorkerBoard
from ringside.core.titles import Title

EXTENSION = "ringside"


class Catalogue(Protocol):
    """Where the contestants of each title are read from."""

    def read(self, *, real_time: datetime) -> dict[str, object]:
        """Give the body of `GET /v1/models`.

        Raises:
            RegistryUnavailableError: MLflow did not answer, and nothing is known yet.
        """


@dataclass(frozen=True)
class Desk:
    """All that a view may use.

    `now` gives the real time, aware; `request_reload` makes the master reload; `reload_token` is
    None where only the signal may ask for it.
    """

    titles: tuple[Title, ...]
    champions: Champions
    market: Market
    history: History
    catalogue: Catalogue
    board: WorkerBoard
    reports_dir: Path
    now: Callable[[], datetime]
    request_reload: Callable[[], None]
    reload_token: str | None = None
    hourly: HourlyForecasts = field(init=False)
    symbols: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Start with no forecast kept."""
        object.__setattr__(self, "hourly", HourlyForecasts(self.champions, self.market))
        symbols = tuple(dict.fromkeys(title.symbol for title in self.titles))
        object.__setattr__(self, "symbols", symbols)

    def titles_of(self, symbol: str) -> list[Title]:
        """Return the titles of one symbol; empty for a symbol that is not configured."""
        return [title for title in self.titles if title.symbol == symbol]


def find_desk() -> Desk:
    """Return the desk of the worker that runs this request."""
    desk: Desk = current_app.extensions[EXTENSION]()
    return desk


def find_symbol(given: str, known: Sequence[str]) -> str | None:
    """Find the symbol that is meant, with or without its slash, in capitals or not."""
    if given in known:
        return given
    folded = _fold(given)
    return next((symbol for symbol in known if _fold(symbol) == folded), None)


def _fold(symbol: str) -> str:
    return symbol.replace("/", "").strip().upper()
