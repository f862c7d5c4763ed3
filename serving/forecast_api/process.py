"""One serving process through its life: the Gunicorn master prepares, each worker opens a desk."""

import logging
import os
from datetime import UTC, datetime

from forecast_api.champions import Champions, load_champions
from forecast_api.desk import Desk
from forecast_api.last_good import LastGood
from forecast_api.lineup import Lineup, choose_lineup, fall_back
from forecast_api.market import StoredMarket
from forecast_api.worker_board import WorkerBoard
from ringside.adapters.database import make_engine
from ringside.adapters.registry_reader import RegistryReader
from ringside.core.titles import Title
from ringside.settings import Settings

log = logging.getLogger(__name__)


class ServingProcess:
    """Holds what is decided before the fork, and after it the desk of this worker.

    Nothing here may keep a worker from booting: Gunicorn halts when one cannot. So this is the
    one place that stops any error, logs it whole, and goes on with less.
    """

    def __init__(self, settings: Settings, *, threads: int) -> None:
        self._settings = settings
        self._threads = threads
        self._titles = tuple(
            Title(symbol, horizon) for symbol in settings.series for horizon in settings.horizons
        )
        self._last_good = LastGood(settings.models_dir)
        self._board = WorkerBoard(settings.workers_dir)
        self._lineup = Lineup(0, (), ())
        self._desk: Desk | None = None

    def prepare(self) -> None:
        """In the master, before workers of a new generation fork: choose what they shall serve."""
        generation = self._lineup.generation + 1
        try:
            self._board.sweep()
            with RegistryReader(self._settings.mlflow_url) as registry:
                self._lineup = choose_lineup(
                    self._titles,
                    registry,
                    self._last_good,
                    models_dir=self._settings.models_dir,
                    generation=generation,
                )
        except Exception:  # an error here would end the master
            log.exception("the registry cannot be used; the last good copies serve")
            self._lineup = fall_back(self._titles, self._last_good, generation=generation)

    def open(self) -> None:
        """In a worker, after the fork: load and prove the models, put up the note."""
        loaded_at = datetime.now(UTC)
        try:
            champions = load_champions(self._lineup, self._last_good, loaded_at=loaded_at)
        except Exception:  # a worker that cannot boot would halt the master
            log.exception("no model could be loaded")
            champions = Champions(self._lineup.generation, loaded_at, {}, self._lineup.refused)
        self._desk = Desk(
            titles=self._titles,
            champions=champions,
            market=StoredMarket(
                make_engine(self._settings, pool_size=self._threads), threads=self._threads
            ),
            board=self._board,
            reports_dir=self._settings.reports_dir / "latest",
            now=lambda: datetime.now(UTC),
        )
        self._write_note(champions)

    def close(self, pid: int) -> None:
        """Take down the note of a worker that ends; its own work, or the master's if it died."""
        self._board.remove(pid)

    def get_desk(self) -> Desk:
        """Return the desk of this worker.

        Raises:
            RuntimeError: this process was never opened: it is no worker.
        """
        if self._desk is None:
            raise RuntimeError("the app answers only in a worker; see gunicorn.conf.py")
        return self._desk

    def _write_note(self, champions: Champions) -> None:
        try:
            self._board.write({"pid": os.getpid(), **champions.describe()})
        except OSError as error:
            log.warning("the note of this worker cannot be put up: %s", error)
        log.info(
            "serving generation=%s titles=%s of %s refused=%s",
            champions.generation,
            len(champions.by_title),
            len(self._titles),
            len(champions.refused),
        )
