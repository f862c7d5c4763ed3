"""What the views of one worker answer from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flask import current_app

from forecast_api.champions import Champions
from forecast_api.market import Market
from forecast_api.worker_board import WorkerBoard
from ringside.core.titles import Title

EXTENSION = "ringside"


@dataclass(frozen=True)
class Desk:
    """All that a view may use. `now` gives the real time, aware."""

    titles: tuple[Title, ...]
    champions: Champions
    market: Market
    board: WorkerBoard
    reports_dir: Path
    now: Callable[[], datetime]

    def titles_of(self, symbol: str) -> list[Title]:
        """Return the titles of one symbol; empty for a symbol that is not configured."""
        return [title for title in self.titles if title.symbol == symbol]


def find_desk() -> Desk:
    """Return the desk of the worker that runs this request."""
    desk: Desk = current_app.extensions[EXTENSION]()
    return desk
