"""Measures the report of one series with two years of history, and of twenty series in one run.

Usage: python tests/bench/measure_reports.py. Four contestants and three horizons; the market is
simulated, its forecasts of known making. The floor, in the same run: reading the same scored rows
and drawing as many empty charts. Rows go to .ringside/bench.json, one object per line. Memory is
that of the whole process, the making of the data left out. It judges nothing.
"""

import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path

import psycopg

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / "tests"))

from figures import Row  # noqa: E402
from measure_ingestion import database  # noqa: E402

from report_builders import END, fill_history, fill_title, set_market  # noqa: E402 - no package
from ringside.adapters.database import make_engine  # noqa: E402
from ringside.adapters.evidence_store import EvidenceStore  # noqa: E402
from ringside.jobs.records import LONG_AGO  # noqa: E402
from ringside.jobs.reporting import publish_reports  # noqa: E402
from ringside.settings import Settings  # noqa: E402

SERIES = "BTC/USDT"
OTHERS = tuple(f"S{number:02}/USDT" for number in range(1, 20))
TWO_YEARS, HALF_A_YEAR = 730, 182
COPIED = {
    "candles": "open_time, open, high, low, close, volume, venue, batch_id, published_at",
    "title_history": "horizon, contestant, model_version, held_from, promoted_at, promoted_by,"
    " reason",
}


@dataclass(frozen=True)
class Taken:
    """What one run took in a process of its own; `cpu_seconds` know no busy machine."""

    seconds: float
    cpu_seconds: float
    memory_mib: float
    charts: int


def publish(settings: Settings) -> Taken:
    """Write the report; imports are part of a task's time, so they count."""
    began = time.perf_counter()
    facts = publish_reports(settings, as_of=END)
    return Taken(time.perf_counter() - began, time.process_time(), read_peak(), len(facts.paths))


def draw_nothing(settings: Settings) -> Taken:
    """Read the scored rows of every title and draw as many empty charts."""
    from matplotlib.figure import Figure

    began = time.perf_counter()
    store = EvidenceStore(make_engine(settings))
    for symbol in settings.series:
        for horizon in settings.horizons:
            store.read_rows(symbol, horizon, start=LONG_AGO, as_of=END)
    charts = len(settings.series) * (2 + 6 * len(settings.horizons))
    for _ in range(charts):
        figure = Figure(figsize=(5.2, 3.6))
        figure.add_subplot()
        figure.savefig(StringIO(), format="svg")
    return Taken(time.perf_counter() - began, time.process_time(), read_peak(), charts)


def read_peak() -> float:
    """Read the largest memory this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_alone(work, settings: Settings) -> Taken:
    """Run in a fresh process, so that memory and imports are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        taken: Taken = pool.apply(work, (settings,))
    return taken


def copy_series(url: str, days: int) -> None:
    """Give the other series the last days of the first one's rows, inside the database."""
    since = END - timedelta(days=days)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for name in OTHERS:
            for table, columns in COPIED.items():
                connection.execute(
                    f"INSERT INTO {table} (symbol, {columns}) SELECT %s, {columns} FROM {table}"
                    " WHERE symbol = %s",
                    [name, SERIES],
                )
            connection.execute(_FORECASTS, [name, SERIES, since])
            connection.execute(_SCORES, [SERIES, name])
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


_FORECAST_COLUMNS = (
    "horizon, contestant, model_version, as_of, target_time, issued_at, kind, anchor_close, sigma,"
    " q05, q25, q50, q75, q95, prev_hash, row_hash, input_ages, hash_form"
)
_FORECASTS = (
    f"INSERT INTO forecasts (symbol, {_FORECAST_COLUMNS}) SELECT %s, {_FORECAST_COLUMNS}"
    " FROM forecasts WHERE symbol = %s AND as_of > %s"
)
_SCORE_COLUMNS = (
    "target_time, target_close, realised_return, loss, scaled_loss, abs_error, quantiles_below,"
    " is_inside_50, is_inside_90, scored_at"
)
_SCORES = f"""
    INSERT INTO scores (forecast_id, symbol, horizon, contestant, model_version, is_live,
        {_SCORE_COLUMNS})
    SELECT mine.id, mine.symbol, mine.horizon, mine.contestant, mine.model_version, s.is_live,
        {", ".join(f"s.{name.strip()}" for name in _SCORE_COLUMNS.split(","))}
    FROM scores AS s
    INNER JOIN forecasts AS f ON f.id = s.forecast_id AND f.symbol = %s
    INNER JOIN forecasts AS mine ON mine.symbol = %s AND mine.horizon = f.horizon
        AND mine.contestant = f.contestant AND mine.model_version = f.model_version
        AND mine.as_of = f.as_of
"""


def measure(title: str, settings: Settings) -> list[Row]:
    """Measure one run beside its floor, print both figures at once."""
    floor, ours = run_alone(draw_nothing, settings), run_alone(publish, settings)
    name = f"{title}, {ours.charts} charts"
    peer = "reading the same scored rows and drawing as many empty charts"
    rows = [
        Row(name, ours.seconds, floor.seconds, peer, "s"),
        Row(f"processor time of {name}", ours.cpu_seconds, floor.cpu_seconds, peer, "s"),
        Row(f"memory of {name}", ours.memory_mib, floor.memory_mib, peer, "MiB"),
    ]
    for row in rows:
        print(row.as_json(), flush=True)
    return rows


def main() -> None:
    """Measure, print, and keep the figures."""
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as name, database(Path(name)) as (url, _):
        one = Settings(database_url=url, series=(SERIES,), state_dir=Path(name) / "state")
        fill_history(one, days=TWO_YEARS)
        fill_title(one, days=TWO_YEARS)
        set_market(one)
        rows = measure("report of one series with two years", one)
        copy_series(url, HALF_A_YEAR)
        many = one.model_copy(update={"series": (SERIES, *OTHERS)})
        rows += measure("reports of 20 series in one run", many)
    out = REPO / ".ringside" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    with out.open("a") as sink:
        sink.writelines(row.as_json() + "\n" for row in rows)


if __name__ == "__main__":
    main()
