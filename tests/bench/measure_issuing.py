"""Measures one hour's forecasts of many series, with a full record behind each.

Usage: python tests/bench/measure_issuing.py. A hundred series with three contestants and three
horizons: candles, features, models and calibration are read, 900 forecasts are chained and written.
The floor, in the same run: a bare COPY of the same rows and a bare prediction per model. Rows go to
.ringside/bench.json, one object per line. It judges nothing.
"""

import json
import logging
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / "tests"))

from measure_ingestion import database  # noqa: E402

from builders import make_candles  # noqa: E402 - tests/ is no package
from mlflow_process import mlflow_server  # noqa: E402
from model_builders import make_fitted  # noqa: E402
from ringside.adapters.model_files import find_folder, load_contestant, write_model  # noqa: E402
from ringside.adapters.registry import Registry  # noqa: E402
from ringside.core.calibration import FEEDBACK_ROWS  # noqa: E402
from ringside.core.features import LOOKBACK, compute_features  # noqa: E402
from ringside.core.titles import Title, find_alias  # noqa: E402
from ringside.jobs.issuing import issue_forecasts  # noqa: E402
from ringside.jobs.scoring import score_matured  # noqa: E402
from ringside.settings import Settings  # noqa: E402

SERIES = tuple(f"S{number:03}/USDT" for number in range(100))
CONTESTANTS = ("persistence", "persistence_ewma", "xgboost")
HORIZONS = (1, 6, 24)
HOUR = datetime(2025, 9, 19, 23, tzinfo=UTC)
RUNS = 3


@dataclass(frozen=True)
class Row:
    """One figure of ours beside a floor's, in `unit`."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str = "s"

    def as_json(self) -> str:
        """Write the row as one line with its ratio."""
        return json.dumps({**asdict(self), "ratio": round(self.ours / self.peer, 2)})


def connect(url: str) -> psycopg.Connection:
    """Connect without SQLAlchemy, as a bare client would."""
    return psycopg.connect(url.replace("+psycopg", ""))


def fill_candles(url: str) -> None:
    """Publish what every series looks back on, and a few hours more."""
    count = LOOKBACK + 48
    with connect(url) as connection:
        statement = (
            "COPY candles (symbol, open_time, open, high, low, close, volume, venue, batch_id,"
            " published_at) FROM STDIN"
        )
        with connection.cursor().copy(statement) as sink:
            for number, symbol in enumerate(SERIES):
                start = HOUR - timedelta(hours=LOOKBACK)
                one = make_candles(count, symbol=symbol, start=start, seed=number)
                for row in range(count):
                    opened = start + timedelta(hours=row)
                    values = (one.open, one.high, one.low, one.close, one.volume)
                    numbers = [str(column[row]) for column in values]
                    sink.write_row((symbol, opened, *numbers, "bench", "bench", HOUR))


def fill_record(url: str) -> None:
    """Put as many scored hours behind each contestant as calibration looks back on."""
    with connect(url) as connection:
        connection.execute(
            """
            INSERT INTO forecasts (symbol, horizon, contestant, model_version, as_of, target_time,
                issued_at, kind, anchor_close, sigma, q05, q25, q50, q75, q95, prev_hash, row_hash,
                shifts, input_ages, hash_form)
            SELECT s, h, c, 0, t, t + h * INTERVAL '1 hour', t, 'replayed', 100, 0.005,
                -0.01, -0.004, 0, 0.004, 0.01, repeat('0', 64), repeat('0', 64),
                '{0,0,0,0,0}', '{"candles": 0.0}', 2
            FROM generate_series(%s::timestamptz, %s::timestamptz, INTERVAL '1 hour') AS t,
                unnest(%s::text[]) AS s, unnest(%s::integer[]) AS h, unnest(%s::text[]) AS c
            """,
            [
                HOUR - timedelta(hours=FEEDBACK_ROWS + 24),
                HOUR - timedelta(hours=25),
                list(SERIES),
                list(HORIZONS),
                list(CONTESTANTS),
            ],
        )
        connection.execute(
            """
            INSERT INTO scores (forecast_id, symbol, horizon, contestant, model_version, is_live,
                target_time, target_close, realised_return, loss, scaled_loss, abs_error,
                quantiles_below, is_inside_50, is_inside_90, scored_at)
            SELECT f.id, f.symbol, f.horizon, f.contestant, f.model_version, false, f.target_time,
                coalesce(c.close::double precision, 100), 0, 0.002, 0.4, 0,
                (f.id * 7 % 6)::smallint, true, true, now()
            FROM forecasts AS f
            LEFT JOIN candles AS c
                ON c.symbol = f.symbol AND c.open_time = f.target_time - INTERVAL '1 hour'
            """
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def enter_models(settings: Settings) -> None:
    """Register the contestants of every title; models of a series are alike but for the name."""
    with Registry(settings.mlflow_url) as registry:
        for symbol in SERIES:
            for horizon in HORIZONS:
                for name in CONTESTANTS:
                    manifest, files = make_fitted(name, symbol=symbol, horizon=horizon)
                    made = registry.register(manifest, files, metrics={})
                    registry.set_alias(made.model_name, find_alias(name), made.version)
                    folder = find_folder(settings.models_dir, made.model_name, made.version)
                    write_model(folder, manifest, files)


def measure_floor(url: str, settings: Settings) -> float:
    """Predict once with every model and COPY the rows that were written for the last hour."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT symbol, horizon, contestant, as_of, q05, q25, q50, q75, q95, prev_hash,"
            " row_hash FROM forecasts WHERE as_of = %s",
            [HOUR + timedelta(hours=RUNS)],
        ).fetchall()
        table = compute_features(make_candles(LOOKBACK), rows=1)
        models = []
        with Registry(settings.mlflow_url) as registry:
            for horizon in HORIZONS:
                name = Title(SERIES[0], horizon).model_name
                for version in registry.find_aliases(name).values():
                    models.append(load_contestant(settings.models_dir / name / str(version)))
        began = time.perf_counter()
        for _ in SERIES:
            for model in models:
                model.contestant.forecast(table.values, table.sigma)
        connection.execute(
            "CREATE TEMP TABLE bare (s text, h int, c text, t timestamptz, a float8, b float8,"
            " m float8, d float8, e float8, p text, r text)"
        )
        with connection.cursor().copy("COPY bare FROM STDIN") as sink:
            for row in rows:
                sink.write_row(row)
        connection.commit()
        return time.perf_counter() - began


def main() -> None:
    """Measure, print, and keep the figures."""
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as name, database(Path(name)) as (url, _):
        folder = Path(name) / "mlflow"
        folder.mkdir()
        with mlflow_server(folder, str(folder / "artifacts")) as mlflow_url:
            settings = Settings(
                database_url=url,
                mlflow_url=mlflow_url,
                series=SERIES,
                horizons=HORIZONS,
                state_dir=Path(name) / "state",
            )
            fill_candles(url)
            fill_record(url)
            enter_models(settings)
            issuing, scoring = [], []
            for run in range(RUNS + 1):
                hour = HOUR + timedelta(hours=run)
                began = time.perf_counter()
                facts = issue_forecasts(settings, as_of=hour, issued_at=hour)
                issuing.append(time.perf_counter() - began)
                began = time.perf_counter()
                score_matured(settings, as_of=hour)
                scoring.append(time.perf_counter() - began)
            wanted = len(SERIES) * len(CONTESTANTS) * len(HORIZONS)
            if facts.live != wanted:
                raise SystemExit(f"issued {facts.live} of {wanted}: {facts.withheld[:3]}")
            floor = measure_floor(url, settings)
    rows = [
        Row(
            "one hour's forecasts of 100 series x 3 contestants x 3 horizons",
            float(np.median(issuing[1:])),
            floor,
            "a bare prediction per model and a bare COPY of the same rows",
        ),
        Row(
            "scoring that hour and the history of skill",
            float(np.median(scoring[1:])),
            floor,
            "a bare prediction per model and a bare COPY of the same rows",
        ),
    ]
    out = REPO / ".ringside" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    with out.open("a") as sink:
        for row in rows:
            print(row.as_json())
            sink.write(row.as_json() + "\n")


if __name__ == "__main__":
    main()
