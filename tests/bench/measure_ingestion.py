"""Measures the way of candles from the stand-in exchange into the published table.

Usage: python tests/bench/measure_ingestion.py [--rounds 3]. Each figure stands beside a floor of
the same run: a bare HTTP download of the same bytes and a bare COPY of the same rows, or an hour's
audit beside the import of Great Expectations. The stand-in is a process of its own, and so is each
of our runs; their imports are measured apart, for the floor has next to none. Rows go to
.ringside/bench-ingestion.json, one object per line. It judges nothing.
"""

import argparse
import importlib
import json
import logging
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TextIO

import httpx
import psutil
import psycopg

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / "tests"))

from builders import make_candles  # noqa: E402 - tests/ is no package
from ringside.adapters.schema import migrate  # noqa: E402
from ringside.core.candles import floor_hour  # noqa: E402
from ringside.jobs.backfill import backfill_candles  # noqa: E402
from ringside.jobs.ingestion import audit_batches, fetch_window, publish_batches  # noqa: E402
from ringside.jobs.windows import find_windows  # noqa: E402
from ringside.settings import Settings  # noqa: E402
from ringside_embedded.postgres import PostgresServer  # noqa: E402

ROWS = {"BTC/USDT": 43_803, "SIXTY/USDT": 60 * 24}
"""Candles of each series that is back-filled: five years, and sixty days."""
AS_OF = datetime(2025, 9, 19, 23, tzinfo=UTC)
SERIES = tuple(f"S{number}/USDT" for number in range(10))
IMPORTS = ("ccxt", "great_expectations", "great_expectations.expectations", "pandas")
STAGES = {"auditing": "audit", "publishing": "publish", "back-filled": "end"}


@dataclass(frozen=True)
class Row:
    """One figure of ours beside a floor's, in `unit`; `parts` says what ours and it are made of."""

    name: str
    ours: float
    floor: float
    floor_name: str
    unit: str = "s"
    parts: dict[str, float] | None = None

    def as_json(self) -> str:
        """Write the row as one line with its ratio."""
        return json.dumps({**asdict(self), "ratio": round(self.ours / self.floor, 2)})


@contextmanager
def database(folder: Path) -> Iterator[tuple[str, int]]:
    """Run a PostgreSQL of our own with a migrated database; give its URL and process id."""
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
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def stand_in(folder: Path) -> Iterator[tuple[str, int]]:
    """Run the stand-in, which shows each series up to the present hour; give URL and process id."""
    market = folder / "market"
    market.mkdir()
    for symbol, rows in ROWS.items():
        candles = make_candles(rows + 1, start=AS_OF - timedelta(hours=rows))
        columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
        lines = ["open_time,open,high,low,close,volume"]
        opens = candles.open_time.astype("datetime64[ms]").astype("int64").tolist()
        for row in zip(opens, *(column.tolist() for column in columns), strict=True):
            lines.append(",".join(map(repr, row)))
        name = symbol.replace("/", "").lower()
        (market / f"{name}_1h.csv").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "ringside_standin", "--data", str(market), "--port", "0"]
    command += ["--series", ",".join(ROWS), "--starts-at", AS_OF.strftime("%Y-%m-%dT%H:%M")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = process.stderr.readline()
            yield re.search(r"http://\S+", told).group(), process.pid
        finally:
            process.terminate()


def timed(call) -> float:
    """Give the seconds that `call` takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class Cost:
    """Seconds on the clock, and seconds of work of this process and of the servers it asks."""

    def __init__(self, servers: Sequence[int]) -> None:
        self._servers = [psutil.Process(pid) for pid in servers]

    def _worked(self) -> float:
        times = [server.cpu_times() for server in self._servers]
        # The sessions of PostgreSQL are children; they count when they have ended.
        return time.process_time() + sum(sum(each[:4]) for each in times)

    def of(self, call) -> tuple[float, float]:
        """Give both for a call."""
        worked = self._worked()
        spent = timed(call)
        time.sleep(0.5)  # a session that has just closed is still being buried
        return spent, self._worked() - worked


def download(venue: str, symbol: str, since: datetime) -> list[list]:
    """Download all rows as a bare client would: page after page, no pause, nothing checked."""
    start = int(since.timestamp() * 1000)
    rows = []
    with httpx.Client(base_url=venue, trust_env=False) as client:
        while True:
            query = {"symbol": symbol, "interval": "1h", "startTime": start, "limit": 1_000}
            page = client.get("/api/v3/klines", params=query).json()
            rows += page
            if len(page) < 1_000:
                return rows
            start = page[-1][0] + 1


def copy(url: str, rows: list[list]) -> None:
    """Copy rows into a table without constraints, and commit."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(
            "CREATE TABLE bare (t timestamptz, o numeric, h numeric, l numeric, c numeric,"
            " v numeric)"
        )
        with connection.cursor().copy("COPY bare FROM STDIN") as sink:
            for row in rows:
                sink.write_row((datetime.fromtimestamp(row[0] / 1000, UTC), *row[1:6]))


class Stages(logging.Handler):
    """Notes when a back-fill went from one stage to the next, by the first word it logs."""

    def __init__(self) -> None:
        super().__init__()
        self.at = {"fetch": time.perf_counter()}

    def emit(self, record: logging.LogRecord) -> None:
        """Note the stage that begins."""
        stage = STAGES.get(record.getMessage().split(" ")[0])
        if stage:
            self.at[stage] = time.perf_counter()

    def split(self) -> dict[str, float]:
        """Give the seconds of each stage."""
        return {
            name: round(after - before, 3)
            for (name, before), (_, after) in pairwise(self.at.items())
        }


def work(job: str, settings: Settings, as_of: datetime) -> None:
    """Do one job: an hourly run, or a back-fill of all that the series has."""
    if job == "hour":
        windows = find_windows(settings, as_of=as_of)
        ids = [fetch_window(settings, window, as_of=as_of).batch_id for window in windows]
        audit_batches(settings, ids, as_of=as_of)
        publish_batches(settings, ids, as_of=as_of)
        return
    (symbol,) = settings.series
    start = as_of - timedelta(hours=ROWS[symbol])
    facts = backfill_candles(settings, symbol, as_of=as_of, start=start)
    if facts.published != ROWS[symbol]:
        raise SystemExit(f"published {facts.published} of {ROWS[symbol]} rows")


def run_child(job: str, settings: Settings, as_of: datetime, servers: Sequence[int]) -> None:
    """Do one job in this process and print what it cost."""
    imports = timed(lambda: [importlib.import_module(name) for name in IMPORTS])
    stages = Stages()
    logger = logging.getLogger("ringside.jobs")
    logger.setLevel(logging.INFO)
    logger.addHandler(stages)
    spent, worked = Cost(servers).of(lambda: work(job, settings, as_of))
    # What `getrusage` calls the peak includes that of the process we were forked from.
    told = Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", told).group(1)) / 1024
    parts = {**stages.split(), "imports, apart": round(imports, 3)}
    print(json.dumps({"seconds": spent, "worked": worked, "peak_mib": peak, "parts": parts}))


def spawn(job: str, settings: Settings, as_of: datetime, servers: Sequence[int]) -> dict:
    """Do one job in a process of its own and give what it cost."""
    url = settings.database_url.get_secret_value()
    asked = {**settings.model_dump(mode="json"), "database_url": url}
    command = [sys.executable, __file__, "--child", job, "--as-of", as_of.isoformat()]
    command += [word for pid in servers for word in ("--server", str(pid))]
    done = subprocess.run(
        command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure_years(url: str, folder: Path, venue: str, servers: Sequence[int]) -> list[Row]:
    """Measure five years and sixty days of one symbol into `candles`, then an hour on top."""
    as_of = floor_hour(datetime.now(UTC))
    rows: list[list] = []
    since = as_of - timedelta(hours=ROWS["BTC/USDT"])
    cost = Cost(servers)
    downloading = cost.of(lambda: rows.extend(download(venue, "BTCUSDT", since)))
    copying = cost.of(lambda: copy(url, rows))
    costs = {}
    for symbol in ROWS:
        settings = Settings(
            database_url=url,
            series=(symbol,),
            source="exchange",
            venue_urls=(f"binance={venue}",),
            state_dir=folder,
        )
        for job in ("backfill", "hour"):
            costs[job, symbol] = spawn(job, settings, as_of, servers)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("TRUNCATE candles, raw_candles, audits, fetches, outage_hours")
    years = costs["backfill", "BTC/USDT"]
    name, floor_name = "five years of one symbol into candles", "bare HTTP download and bare COPY"
    bare = {"bare download": round(downloading[0], 3), "bare COPY": round(copying[0], 3)}
    floor, floor_work = downloading[0] + copying[0], downloading[1] + copying[1]
    return [
        Row(name, years["seconds"], floor, floor_name, parts={**years["parts"], **bare}),
        Row(f"{name}, work of all processes", years["worked"], floor_work, floor_name, "CPU s"),
        _compare_peaks("an hourly run after five years", costs, "hour"),
        _compare_peaks("a back-fill of five years", costs, "backfill"),
    ]


def _compare_peaks(what: str, costs: dict, job: str) -> Row:
    peaks = (costs[job, symbol]["peak_mib"] for symbol in ROWS)
    return Row(f"peak memory of {what}", *peaks, "the same with sixty days", "MiB")


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


def measure_all(rounds: int) -> None:
    """Measure, print, and keep the figures."""
    logging.basicConfig(level=logging.ERROR)
    import_s = timed(lambda: importlib.import_module("great_expectations"))
    out = REPO / ".ringside" / "bench-ingestion.json"
    out.parent.mkdir(exist_ok=True)
    with out.open("a") as sink, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with database(folder) as (url, postgres):
            _keep([measure_hour(url, folder, import_s)], sink)
            with stand_in(folder) as (venue, exchange):
                for _ in range(rounds):
                    _keep(measure_years(url, folder, venue, (postgres, exchange)), sink)


def _keep(rows: Sequence[Row], sink: TextIO) -> None:
    """Print rows and write them down as soon as they are measured."""
    for row in rows:
        print(row.as_json(), flush=True)
        sink.write(row.as_json() + "\n")


def main() -> None:
    """Measure all, or be the process of one job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=("backfill", "hour"))
    parser.add_argument("--as-of", type=datetime.fromisoformat)
    parser.add_argument("--server", type=int, action="append", dest="servers")
    asked = parser.parse_args()
    if asked.child:
        run_child(asked.child, Settings(**json.load(sys.stdin)), asked.as_of, asked.servers)
    else:
        measure_all(asked.rounds)


if __name__ == "__main__":
    main()
