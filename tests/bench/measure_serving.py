"""Measures the service beside an empty endpoint, `mlflow models serve` and BentoML, in one run.

Usage: make bench (or: python tests/bench/measure_serving.py). The load is wrk's, where it is
installed, and else that of a few threads. Rows go to .ringside/bench.json, one object per line.
It judges nothing. BentoML is measured where `RINGSIDE_BENTOML_PYTHON` names a Python that has it.
"""

import json
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

REPO = Path(__file__).parents[2]
sys.path[:0] = [str(REPO / "tests")]

import numpy as np  # noqa: E402 - after the path of the tests
from figures import Row  # noqa: E402 - after the path of the tests
from serving_load import Load, Target, ask_for, race  # noqa: E402 - after the path of the tests
from serving_peers import empty_peer, peers  # noqa: E402 - after the path of the tests

from mlflow_process import mlflow_server  # noqa: E402 - after the path of the tests
from processes import count_pss_mib, find_free_port, running  # noqa: E402 - after the path of the tests
from ringside.adapters.registry import Registry  # noqa: E402 - after the path of the tests
from ringside.adapters.schema import migrate  # noqa: E402 - after the path of the tests
from ringside.core.titles import Title  # noqa: E402 - after the path of the tests
from ringside.settings import Settings  # noqa: E402 - after the path of the tests
from ringside_embedded.postgres import PostgresServer  # noqa: E402 - after the path of the tests
from serving_process import serving  # noqa: E402 - after the path of the tests
from serving_stage import crown, fill_market, register  # noqa: E402 - after the path of the tests

RELOADS, RELOAD_EVERY_S = 20, 1.5
SETTLE_S = 5
"""After a load, until those are answered who have left already."""


@contextmanager
def stage(folder: Path) -> Iterator[tuple[Settings, list[Title], object]]:
    """PostgreSQL, MLflow and candles, as the platform has them."""
    server = PostgresServer(folder / "postgres", find_free_port(), secrets.token_hex(16))
    server.make()
    (folder / "mlflow").mkdir()
    with ExitStack() as started:
        started.enter_context(running(server.command(), folder / "postgres.log", cwd="/"))
        server.wait_ready()
        server.make_database("ringside", "bench")
        artifacts = str(folder / "mlflow" / "artifacts")
        settings = Settings(
            database_url=f"postgresql+psycopg://ringside:bench@127.0.0.1:{server.port}/ringside",
            state_dir=folder / "state",
            mlflow_url=started.enter_context(mlflow_server(folder / "mlflow", artifacts)),
        )
        migrate(settings)
        candles = fill_market(settings)
        yield settings, [Title(settings.series[0], h) for h in settings.horizons], candles


def make_windows(candles: object, count: int, *, length: int = 721) -> list[dict[str, list]]:
    """The last candles as so many windows."""
    names = ("open", "high", "low", "close", "volume")
    columns = {name: getattr(candles, name)[-length:].tolist() for name in names}
    opened = [str(at) for at in candles.open_time[-length:]]
    return [{"open_time": opened, **columns}] * count


def measure_reloads(
    service: object, registry: Registry, lines: list[dict[Title, int]], url: str
) -> list[Row]:
    """The 99th percentile in the second around each reload, beside that of quiet seconds."""
    reloads: list[float] = []
    mixed: set[str] = set()

    def reload() -> None:
        for number in range(RELOADS):
            time.sleep(RELOAD_EVERY_S)
            crown(registry, lines[number % 2])
            reloads.append(time.monotonic())
            service.hup()
            # as promotion does: no second reload before every worker has proved the first
            service.wait_for_generation(number + 2)

    reloading = threading.Thread(target=reload)
    quiet, _ = ask_for(url, None, seconds=10)
    reloading.start()
    times, failed = ask_for(url, None, goes_on=reloading.is_alive, mixed=mixed)
    reloading.join()
    near = [
        e - b for b, e in times if any(at - 0.2 <= b <= at + 1 or b <= at <= e for at in reloads)
    ]
    p99 = [float(np.quantile(took, 0.99)) * 1000 for took in (near, [e - b for b, e in quiet])]
    return [
        Row("reload_p99_ms", p99[0], p99[1], "without reloads", "ms"),
        Row("reload_failed_requests", failed, len(times), "requests under 20 reloads", "requests"),
        Row("reload_mixed_answers", len(mixed), len(times), "requests under 20 reloads", "answers"),
    ]


def measure(folder: Path) -> list[Row]:
    """Take every figure once."""
    with stage(folder) as (settings, titles, candles), Registry(settings.mlflow_url) as registry:
        lines = [
            {title: register(registry, title, "xgboost", seed=seed) for title in titles}
            for seed in (1, 2)
        ]
        crown(registry, lines[1])
        windows = {n: make_windows(candles, n) for n in (1, 100)}
        with serving(settings, folder / "service.log", "/readyz") as service:
            models = [settings.models_dir / t.model_name / str(v) for t, v in lines[1].items()]
            url, pid = f"{service.url}/v1/forecast?symbol={settings.series[0]}", service.process.pid
            with empty_peer(folder) as empty:
                rows = measure_forecast(Target(url, pid), empty)
            ours = {
                n: Target(f"{service.url}/v1/predict", pid, _write_body(settings, w))
                for n, w in windows.items()
            }
            with peers(folder, models, windows) as others:
                rows += measure_windows(ours, others)
            rows += measure_reloads(service, registry, lines, url)
    return rows


def measure_forecast(kept: Target, empty: Target) -> list[Row]:
    """The forecast of the hour, told again and again, beside an endpoint that does nothing."""
    loads = race({"kept": kept, "empty": empty})
    return _compare("forecast_kept", "empty Flask", loads["kept"], loads["empty"])


def measure_windows(ours: dict[int, Target], others: dict[str, dict[int, Target]]) -> Iterator[Row]:
    """Windows of a caller, one and a hundred per call, and what the workers hold afterwards."""
    for count, target in ours.items():
        loads = race({"ours": target} | {name: asked[count] for name, asked in others.items()})
        for name in others:
            yield from _compare(f"predict_{count}_windows", name, loads["ours"], loads[name])
    time.sleep(SETTLE_S)
    pss = count_pss_mib(ours[1].pid, is_master_in=False)
    yield Row("two_workers_pss_mib", pss, 250, "goal", "MiB")
    for name, asked in others.items():
        yield Row("two_workers_pss_mib", pss, count_pss_mib(asked[1].pid), name, "MiB")


def _compare(name: str, peer: str, ours: Load, theirs: Load) -> list[Row]:
    if ours.failed or theirs.failed:
        sys.exit(f"{name}: {ours.failed} of our answers failed, {theirs.failed} of {peer}")
    return [
        Row(f"{name}_per_s", ours.per_s, theirs.per_s, peer, "1/s"),
        Row(f"{name}_p99_ms", ours.p99_ms, theirs.p99_ms, peer, "ms"),
        Row(f"{name}_cpu_ms", ours.cpu_ms, theirs.cpu_ms, peer, "ms"),
    ]


def _write_body(settings: Settings, windows: list[dict]) -> bytes:
    stamped = [{**w, "open_time": [f"{at}Z" for at in w["open_time"]]} for w in windows]
    return json.dumps({"symbol": settings.series[0], "windows": stamped}).encode()


def main() -> None:
    """Measure in a temporary folder, print the table, append the rows to .ringside/bench.json."""
    with tempfile.TemporaryDirectory(prefix="ringside-bench-") as name:
        rows = measure(Path(name))
    target = REPO / ".ringside" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as sink:
        sink.writelines(row.as_json() + "\n" for row in rows)
    print(f"{'figure':28} {'ours':>9} {'beside':>9} {'ratio':>8}  beside is")
    for row in rows:
        ratio = row.ours / row.peer
        print(f"{row.name:28} {row.ours:9.2f} {row.peer:9.2f} {ratio:8.3f}  {row.peer_name}")


if __name__ == "__main__":
    main()
