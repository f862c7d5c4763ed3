"""Measures features, one weekly retrain and a walk-forward, each beside mlforecast in the same run.

Usage: python tests/bench/measure_contestants.py [FOLDER]. FOLDER holds `btcusdt_1h.parquet`; else
the candles are a seeded random walk. mlforecast runs in an environment of its own, the interpreter
of which is `.ringside/env/bench` (`make bench` makes it) or BENCH_PYTHON; without one the rows are
left out, and that is said. Rows go to .ringside/bench.json, one object per line. Both work
on one thread, so that on an idle core the seconds are those of the clock. It judges nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

REPO = Path(__file__).parents[2]
sys.path[:0] = [str(REPO / "include"), str(REPO / "tests")]

from builders import make_candles  # noqa: E402 - tests/ is no package
from ringside.adapters.candle_files import CandleFileSource  # noqa: E402
from ringside.core.candles import HOUR, Candles  # noqa: E402
from ringside.core.contestants import CONTESTANTS, Contestant, Xgboost  # noqa: E402
from ringside.core.features import FEATURE_NAMES, FeatureTable, compute_features  # noqa: E402
from ringside.core.hours import LOOKBACK  # noqa: E402
from ringside.core.splits import Week, make_sample, select_rows  # noqa: E402
from ringside.core.tuning import FOLDS, choose_params  # noqa: E402

HORIZONS = (1, 6, 24)
YEAR, FIVE_YEARS, STEP = 8_760, 43_800, 168
WEEKS, PEER_WEEKS = 290, 29
PEER = Path(__file__).with_name("mlforecast_peer.py")


@dataclass(frozen=True)
class Row:
    """One figure of ours beside a peer's, in `unit`."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str = "s of processor time"

    def as_json(self) -> str:
        """Write the row as one line with its ratio."""
        return json.dumps({**asdict(self), "ratio": round(self.ours / self.peer, 3)})


def timed(call: Callable[[], object]) -> float:
    """Give the seconds of processor time that `call` takes, whatever else the machine does."""
    began = time.process_time()
    call()
    return round(time.process_time() - began, 3)


def read_candles(folder: str | None) -> Candles:
    """Read the newest hours that the longest walk needs, or make as many."""
    count = WEEKS * STEP + YEAR + LOOKBACK + 24
    if folder is None:
        return make_candles(count, start=datetime(2019, 1, 1, tzinfo=UTC), seed=1)
    source = CandleFileSource(Path(folder))
    end = source.last_known("BTC/USDT")
    start = datetime(2018, 1, 1, tzinfo=UTC)
    return source.fetch("BTC/USDT", start, end, end).take(slice(-count, None))


def retrain(candles: Candles, kinds: list[type[Contestant]]) -> None:
    """Compute features of a year, choose parameters, and fit every horizon, all known at the end.

    The look-back before the year is computed as well, as a training does.
    """
    year = candles.take(slice(-YEAR - LOOKBACK, None))
    table, as_of = compute_features(year), year.close_time[-1]
    for horizon in HORIZONS:
        window = {"horizon": horizon, "as_of": as_of, "train_days": 365}
        sample = make_sample(table, **window)
        for kind in kinds:
            kind(choose_params(kind, table, seed=1, **window).params).fit(sample, seed=1)


def walk(candles: Candles, weeks: int) -> None:
    """Compute features, then fit XGBoost on a year and forecast the next week, week after week."""
    table: FeatureTable = compute_features(candles)
    end = table.open_time[-1] + HOUR
    for back in range(weeks, 0, -1):
        start = end - back * STEP * HOUR
        contestant = Xgboost()
        contestant.fit(make_sample(table, horizon=1, as_of=start, train_days=365), seed=1)
        rows = select_rows(table, *vars(Week(start, start + STEP * HOUR)).values())
        contestant.forecast(table.values[rows], table.sigma[rows])


def measure_peer(python: Path, candles: Candles) -> dict[str, float]:
    """Let mlforecast do the same work on the same closes; seconds by task."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "candles.npz"
        np.savez(data, open_time=candles.open_time.astype("datetime64[s]"), close=candles.close)
        facts = {
            "columns": len(FEATURE_NAMES),
            "horizons": HORIZONS,
            "year": YEAR,
            "five_years": FIVE_YEARS,
            "step": STEP,
            "weeks": PEER_WEEKS,
            "folds": FOLDS,
            "rounds": [params.rounds for params in Xgboost.params_grid],
        }
        answer = subprocess.run(
            [str(python), str(PEER), str(data), json.dumps(facts)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return json.loads(answer.stdout.splitlines()[-1])


def find_python() -> Path | None:
    """Find the interpreter of the bench environment; None when there is none with mlforecast."""
    environments = Path(os.environ.get("RINGSIDE_ENV_DIR", REPO / ".ringside" / "env"))
    named = os.environ.get("BENCH_PYTHON", str(environments / "bench" / "bin" / "python"))
    python = Path(named)
    if not python.exists():
        return None
    found = subprocess.run([named, "-c", "import mlforecast"], check=False, capture_output=True)
    return python if found.returncode == 0 else None


def main(folder: str | None = None) -> None:
    """Measure, print, and keep the figures."""
    candles = read_candles(folder)
    ours = {
        "features": timed(lambda: compute_features(candles.take(slice(-FIVE_YEARS, None)))),
        "retrain": timed(lambda: retrain(candles, [Xgboost])),
        "every": timed(lambda: retrain(candles, list(CONTESTANTS.values()))),
        "walk": timed(lambda: walk(candles, PEER_WEEKS)),
    }
    print(json.dumps(ours))
    python = find_python()
    if python is None:
        print("mlforecast was not found: `make bench` makes its environment. No row is written.")
        return
    peer = measure_peer(python, candles)
    ours["whole"] = timed(lambda: walk(candles, WEEKS))
    scaled = round(peer["walk"] * WEEKS / PEER_WEEKS, 1)
    rows = (
        Row("features of five years of one series", ours["features"], peer["features"],
            "mlforecast preprocess, as many columns"),
        Row("retrain of XGBoost at three horizons on a year, tuned", ours["retrain"],
            peer["retrain"], "mlforecast cross_validation and fit, as many trees"),
        Row("retrain of all contestants at three horizons on a year, tuned", ours["every"],
            peer["retrain"], "mlforecast, XGBoost alone"),
        Row(f"walk-forward of {PEER_WEEKS} weekly refits one hour ahead", ours["walk"],
            peer["walk"], "mlforecast cross_validation, refitted, as many trees"),
        Row(f"walk-forward of {WEEKS} weekly refits one hour ahead", ours["whole"], scaled,
            f"mlforecast, {WEEKS // PEER_WEEKS} times its {PEER_WEEKS} weeks"),
    )  # fmt: skip
    out = REPO / ".ringside" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    with out.open("a") as sink:
        for row in rows:
            print(row.as_json(), flush=True)
            sink.write(row.as_json() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
