"""One serving process through its life: the Gunicorn master prepares, each worker opens a desk."""

import logging
import os
import shutil
import signal
import time
from datetime import UTC, datetime

from forecast_api.catalogue import RegistryCatalogue
from forecast_api.champions import Champions, load_champions
from forecast_api.desk import Desk
from forecast_api.hour_inputs import StoredInputs
from forecast_api.kept_market import KeptMarket
from forecast_api.last_good import LastGood
from forecast_api.lineup import Lineup, choose_lineup, fall_back
from forecast_api.market import StoredMarket, TimedReads
from forecast_api.problems import Problem
from forecast_api.stored_history import StoredHistory
from forecast_api.telemetry import RELOADS
from forecast_api.worker_board import WorkerBoard
from ringside.adapters.database import make_engine
from ringside.adapters.history_pages import HistoryPages
from ringside.adapters.registry_reader import RegistryReader
from ringside.core.titles import Title
from ringside.errors import StoreUnavailableError
from ringside.settings import Settings

log = logging.getLogger(__name__)

LOST_SIGNAL_S = 10
"""After so long a reload that was asked for and has not begun is asked for again."""


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
        self._asked = settings.workers_dir / "reload-asked"

    def start(self) -> None:
        """In the master, once: forget what another master left, and choose the first models."""
        shutil.rmtree(self._settings.metrics_dir, ignore_errors=True)
        self._settings.metrics_dir.mkdir(parents=True)
        self._board.sweep()
        self.prepare()

    def prepare(self) -> None:
        """In the master, before workers of a new generation fork: choose what they shall serve."""
        generation = self._lineup.generation + 1
        try:
            self._asked.unlink(missing_ok=True)  # who asks from here on may know of a newer one
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
        """In a worker, after the fork: load and prove the models, warm up, put up the note."""
        loaded_at = datetime.now(UTC)
        try:
            champions = load_champions(
                self._lineup,
                self._last_good,
                loaded_at=loaded_at,
                auxiliary=self._settings.auxiliary,
            )
        except Exception:  # a worker that cannot boot would halt the master
            log.exception("no model could be loaded")
            champions = Champions(self._lineup.generation, loaded_at, {}, self._lineup.refused)
        self._desk = self._make_desk(champions)
        self._warm_up(self._desk)
        self._write_note(champions)

    def close(self, pid: int) -> None:
        """Take down the note of a worker that ends; its own work, or the master's if it died."""
        self._board.remove(pid)

    def wait_for_worker(self, pid: int, *, timeout_s: float) -> None:
        """In the master: wait until a new worker serves, or has ended, or takes too long."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._board.has(pid) or not self._board.is_alive(pid):
                return
            time.sleep(0.01)

    def request_reload(self) -> None:
        """In a worker: make the master reload; asked for again before it has begun is once."""
        try:
            self._asked.touch(exist_ok=False)
        except FileExistsError:
            if time.time() - self._asked.stat().st_mtime < LOST_SIGNAL_S:
                return
            self._asked.touch()
        os.kill(os.getppid(), signal.SIGHUP)

    def get_desk(self) -> Desk:
        """Return the desk of this worker.

        Raises:
            RuntimeError: this process was never opened: it is no worker.
        """
        if self._desk is None:
            raise RuntimeError("the app answers only in a worker; see gunicorn.conf.py")
        return self._desk

    def _make_desk(self, champions: Champions) -> Desk:
        settings = self._settings
        engine = make_engine(settings, pool_size=self._threads)
        reads = TimedReads(threads=self._threads)
        inputs = StoredInputs(engine, horizons=settings.horizons, auxiliary=settings.auxiliary)
        market = StoredMarket(engine, reads, inputs, look_back=champions.look_back)
        token = settings.reload_token
        return Desk(
            titles=self._titles,
            champions=champions,
            market=KeptMarket(market, settings.models_dir / "candles"),
            history=StoredHistory(HistoryPages(engine), market, reads),
            catalogue=RegistryCatalogue(settings.mlflow_url, self._titles),
            board=self._board,
            reports_dir=settings.reports_dir / "latest",
            now=lambda: datetime.now(UTC),
            request_reload=self.request_reload,
            reload_token=token.get_secret_value() if token else None,
        )

    def _warm_up(self, desk: Desk) -> None:
        """Compute every forecast once, so that the first caller does not wait for it."""
        for symbol in desk.symbols:
            try:
                desk.hourly.read(symbol, desk.titles_of(symbol), real_time=desk.now())
            except StoreUnavailableError:  # the next symbol would only wait as long
                return
            except Problem as problem:
                log.warning("no forecast of %s yet: %s", symbol, problem)
            except Exception:  # a worker that cannot boot would halt the master
                log.exception("the forecast of %s could not be computed", symbol)

    def _write_note(self, champions: Champions) -> None:
        try:
            self._board.write({"pid": os.getpid(), **champions.describe()})
            if self._board.claim(champions.generation):
                RELOADS.labels("refused" if champions.refused else "accepted").inc()
        except OSError as error:
            log.warning("the note of this worker cannot be put up: %s", error)
        log.info(
            "serving generation=%s titles=%s of %s refused=%s",
            champions.generation,
            len(champions.by_title),
            len(self._titles),
            len(champions.refused),
        )
