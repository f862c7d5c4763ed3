"""How Gunicorn runs the service, and the moments at which models change.

Libraries are loaded once, before the fork; models after it, so that SIGHUP brings the new
champion within a fraction of a second and no request waits. That needs Gunicorn 27.0.1 or later:
earlier ones cut kept-alive connections of threaded workers when they reload.
"""

import ctypes
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

# One thread each, set before the libraries load: their thread pools do not survive a fork.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import wsgi

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

wsgi_app = "wsgi:app"
bind = os.environ.get("RINGSIDE_SERVING_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("RINGSIDE_SERVING_WORKERS", "2"))
worker_class = "forecast_api.patient_worker.PatientWorker"
threads = wsgi.THREADS
worker_connections = 500
preload_app = True
keepalive = 5
timeout = 30
graceful_timeout = 10
pidfile = str(wsgi.settings.serving_pid_file)
# Its thread would live in the master, and a fork beside a thread may never return.
control_socket_disable = True

BOOT_TIMEOUT_S = 5

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1  # names of malloc.h


def _give_memory_back() -> None:
    """Make glibc return what long bodies took: two workers kept 385 MiB, and keep 185 MiB so.

    By itself it keeps a heap for each thread, and returns the less the longer the blocks were.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
        # what is set no longer grows with the longest block that was ever freed
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        libc.mallopt(_M_TRIM_THRESHOLD, 16 * 2**20)


_give_memory_back()

Path(pidfile).parent.mkdir(parents=True, exist_ok=True)


def on_starting(server: "Arbiter") -> None:
    """Choose the models of the first workers."""
    wsgi.process.start()


def on_reload(server: "Arbiter") -> None:
    """After SIGHUP: choose the models of the workers that are about to take over."""
    wsgi.process.prepare()


def pre_fork(server: "Arbiter", worker: "Worker") -> None:
    """Take what is loaded out of the collector's rounds, so that its pages stay shared.

    One new worker after the other: Gunicorn lets the old ones go as soon as the last is forked,
    and by then all the others serve.
    """
    gc.freeze()
    if server.WORKERS:
        wsgi.process.wait_for_worker(max(server.WORKERS), timeout_s=BOOT_TIMEOUT_S)


def post_fork(server: "Arbiter", worker: "Worker") -> None:
    """Load the models and open what only a worker may hold."""
    wsgi.process.open()


def worker_exit(server: "Arbiter", worker: "Worker") -> None:
    """Say that this worker serves no more."""
    wsgi.process.close(worker.pid)


def child_exit(server: "Arbiter", worker: "Worker") -> None:
    """Say it for a worker that was killed."""
    wsgi.process.close(worker.pid)
