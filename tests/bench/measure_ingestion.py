"""Measures the way of candles from the stand-in exchange into the published table.

Usage: python tests/bench/measure_ingestion.py. Each figure stands beside a floor of the same run:
a bare HTTP download of the same bytes and a bare COPY of the same rows, or an hour's audit beside
the import of Great Expectations. Rows go to .ringside/bench-ingestion.json, one object per line. It
judges nothing.
"""

import importlib
import json
import logging
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / "tests"))

from builders import make_candles  # noqa: E402 - tests/ is no package
from ringside.adapters.schema import migrate  # noqa: E402
from ringside.jobs.backfill import backfill_candles  # noqa: E402
from ringside.jobs.ingestion import audit_batches, fetch_window, publish_batches  # noqa: E402
from ringside.jobs.windows import find_windows  # noqa: E402
from ringside.settings import Settings  # noqa: E402
from ringside_embedded.postgres import PostgresServer  # noqa: E402
from ringside_standin.answers import Exchange  # noqa: E402
from ringside_standin.klines import make_book  # noqa: E402
from ringside_standin.server import StandInServer, serving  # noqa: E402

ROWS = 43_803
AS_OF = datetime(2025, 9, 19, 23, tzinfo=UTC)
SERIES = tuple(f"S{number}/USDT" for number in range(10))


@dataclass(frozen=True)
class Row:
    """One figure of ours beside a floor's, in `unit`."""

    name: str
    ours: float
    floor: float
    floor_name: str
    unit: str = "s"

    def as_json(self) -> str:
        """Write the row as one line with its ratio."""
        return json.dumps({**asdict(self), "ratio": round(self.ours / self.floor, 2)})


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL of our own with a migrated database; give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PostgresServer(folder / "data", port, secrets.token_hex(16))
    server.make()
    process = subprocess.Popen(
        server.command(), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        server.wait_ready()
        server.make_database("bench", "bench")
        url = f"postgresql+psycopg://bench:bench@127.0.0.1:{port}/bench"
        migrate(Settings(database_url=url))
        yield url
    finally:
        process.terminate()
        process.wait(20)


def timed(call) -> float:
    """Give the seconds that `call` takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def download(server: StandInServer, symbol: str) -> list[list]:
    """Download all rows as a bare client would: page after page, no pause, nothing checked."""
    since = int((AS_OF - timedelta(hours=ROWS)).timestamp() * 1000)
    rows = []
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        while True:
            query = {"symbol": symbol, "interval": "1h", "startTime": since, "limit": 1_000}
            page = client.get("/api/v3/klines", params=query).json()
            rows += page
            if len(page) < 1_000:
                return rows
            since = page[-1][0] + 1


def copy(url: str, rows: list[list]) -> None:
    """Copy rows into a table without constraints."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(
            "CREATE TEMP TABLE bare (t timestamptz, o numeric, h numeric, l numeric, c numeric,"
            " v numeric)"
        )
        with connection.cursor().copy("COPY bare FROM STDIN") as sink:
            for row in rows:
                sink.write_row((datetime.fromtimestamp(row[0] / 1000, UTC), *row[1:6]))


def measure_backfill(url: str, folder: Path) -> Row:
    """Measure five years of one symbol from the stand-in into `candles`."""
    candles = make_candles(ROWS, start=AS_OF - timedelta(hours=ROWS))
    exchange = Exchange(
        {("BTCUSDT", "1h"): make_book(candles)}, lambda: int(AS_OF.timestamp() * 1000)
    )
    with serving(exchange) as server:
        settings = Settings(
            database_url=url,
            source="exchange",
            venue_urls=(f"binance={server.url}",),
            state_dir=folder,
        )
        rows: list[list] = []
        fetching = timed(lambda: rows.extend(download(server, "BTCUSDT")))
        copying = timed(lambda: copy(url, rows))
        print(f"floor: {len(rows)} rows, download {fetching:.2f} s, COPY {copying:.2f} s")
        facts = []
        ours = timed(
            lambda: facts.append(
                backfill_candles(
                    settings, "BTC/USDT", as_of=AS_OF, start=AS_OF - timedelta(hours=ROWS)
                )
            )
        )
    if facts[0].published != ROWS:
        raise SystemExit(f"published {facts[0].published} of {ROWS} rows")
    floor_name = "bare HTTP download and bare COPY of the same rows"
    return Row("five years of one symbol into candles", ours, fetching + copying, floor_name)


def measure_hour(url: str, folder: Path, import_s: float) -> Row:
    """Measure the audit of one hour's run of ten series, all of them with a history."""
    settings = Settings(database_url=url, state_dir=folder, series=SERIES, history_days=60)
    facts = []
    for as_of in (AS_OF - timedelta(hours=1), AS_OF):
        ids = [
            fetch_window(settings, window, as_of=as_of).batch_id
            for window in find_windows(settings, as_of=as_of)
        ]
        facts.append(timed(lambda ids=ids, as_of=as_of: audit_batches(settings, ids, as_of=as_of)))
        publish_batches(settings, ids, as_of=as_of)
    name = "one hourly audit of 10 series beyond the import"
    return Row(name, facts[-1], import_s, "the import of Great Expectations")


def main() -> None:
    """Measure, print, and keep the figures."""
    logging.basicConfig(level=logging.ERROR)
    import_s = timed(lambda: importlib.import_module("great_expectations"))
    with tempfile.TemporaryDirectory() as folder, database(Path(folder)) as url:
        hour = measure_hour(url, Path(folder), import_s)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        backfill = measure_backfill(url, Path(folder))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        memory = Row("peak memory with five years", after, before, "with sixty days", "MiB")
    out = REPO / ".ringside" / "bench-ingestion.json"
    out.parent.mkdir(exist_ok=True)
    with out.open("a") as sink:
        for row in (backfill, hour, memory):
            print(row.as_json())
            sink.write(row.as_json() + "\n")


if __name__ == "__main__":
    main()
