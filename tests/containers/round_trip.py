"""From nothing to a promoted champion, and what the stores hold then, to compare with later."""

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from containers.composed_stack import ComposedStack
from e2e.stack import Traffic

PLANTED = "PLANTED/USDT"
BEATEN, BEST = {1: "persistence", 6: "persistence"}, {1: "linear", 6: "xgboost"}

# What a round trip leaves for its market time; ids, chained hashes and wall clocks left out, as
# are rows of hours that pass meanwhile. Each gives the number of rows and a digest over them.
TRACES = {
    "candles": "SELECT symbol, open_time, open, high, low, close, volume FROM candles"
    " WHERE open_time < '{as_of}'",
    "forecasts": "SELECT symbol, horizon, contestant, model_version, as_of, target_time,"
    " issued_at, anchor_close, sigma, q05, q25, q50, q75, q95 FROM forecasts"
    " WHERE kind = 'replayed'",
    "scores": "SELECT symbol, horizon, contestant, model_version, as_of, realised_return, loss,"
    " scaled_loss, abs_error, is_inside_50, is_inside_90"
    " FROM scores JOIN (SELECT id, as_of, kind FROM forecasts) AS issued ON id = forecast_id"
    " WHERE kind = 'replayed' AND target_time <= '{as_of}'",
    "verdicts": "SELECT symbol, horizon, as_of, outcome, champion, champion_version, challenger,"
    " challenger_version, facts, text_en FROM verdicts WHERE as_of <= '{as_of}'",
    "title_history": "SELECT symbol, horizon, contestant, model_version, held_from, reason"
    " FROM title_history WHERE held_from <= '{as_of}'",
}
ALIASES = "SELECT name, alias, version FROM registered_model_aliases ORDER BY name, alias"
VERSIONS = "SELECT name, version FROM model_versions ORDER BY name, version"


@dataclass
class RoundTrip:
    """What was seen on the way.

    `before` and `after` are the stores before the training and after the promotion; `archive`
    was written in between, before the training; `trainings` are names of containers.
    """

    as_of: str
    archive: Path
    states: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    trainings: set[str] = field(default_factory=set)
    training_log: str = ""
    left_over: list[str] = field(default_factory=list)
    first_champions: dict[int, str] = field(default_factory=dict)
    champions: dict[int, str] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    before: dict[str, object] = field(default_factory=dict)
    after: dict[str, object] = field(default_factory=dict)


def take_round_trip(stack: ComposedStack, archive: Path) -> RoundTrip:
    """Ingest, back up, train, decide; callers ask for forecasts all the while of the decision."""
    ingested = stack.trigger("ingest_candles")
    ((newest,),) = stack.query("SELECT max(open_time) + interval '1 hour' AS at FROM candles")
    trip = RoundTrip(as_of=newest, archive=archive)
    trip.states["ingest_candles"] = ingested
    trip.before = take_snapshot(stack, trip.as_of)
    stack.run("make", "backup", f"TO={archive}")
    with watch_trainings(stack, trip.trainings):
        trip.states["train_challenger"] = stack.trigger("train_challenger", as_of=trip.as_of)
    trip.training_log = stack.read_log("train_challenger", "enter_challenger.train", map_index=0)
    trip.left_over = stack.find_containers("training")
    trip.first_champions = wait_champions(stack, BEATEN)
    with stack.steady_traffic(PLANTED) as trip.traffic:
        trip.states["decide_title"] = stack.trigger("decide_title", as_of=trip.as_of)
        time.sleep(1)
    trip.champions = read_champions(stack)
    trip.after = take_snapshot(stack, trip.as_of)
    return trip


def take_snapshot(stack: ComposedStack, as_of: str) -> dict[str, object]:
    """Read what the stores hold up to a market time: rows and a digest by table, and aliases."""
    snapshot: dict[str, object] = {}
    for table, rows in TRACES.items():
        snapshot[table] = stack.query(write_trace(rows, as_of))[0]
    snapshot["aliases"] = stack.query(ALIASES, database="mlflow")
    snapshot["versions"] = stack.query(VERSIONS, database="mlflow")
    return snapshot


def write_trace(rows: str, as_of: str) -> str:
    """Write the statement that counts and digests the rows of one of `TRACES`."""
    texts = f"SELECT row_to_json(traced)::text AS line FROM ({rows}) AS traced"
    digest = "md5(coalesce(string_agg(line, chr(10) ORDER BY line), ''))"
    found = f"SELECT count(*) AS rows, {digest} AS digest FROM ({texts}) AS lines"
    return found.format(as_of=as_of)


@contextmanager
def watch_trainings(stack: ComposedStack, seen: set[str]):
    """Ask `docker ps` again and again for training containers, until the block ends."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            seen.update(stack.find_containers("training"))
            time.sleep(0.3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join(30)


def read_champions(stack: ComposedStack) -> dict[int, str]:
    """Ask the service who holds the titles."""
    answer = httpx.get(f"{stack.serving_url}/v1/forecast", params={"symbol": PLANTED}, timeout=20)
    assert answer.status_code == 200, answer.text
    return {f["horizon"]: f["contestant"] for f in answer.json()["forecasts"]}


def wait_champions(stack: ComposedStack, expected: dict[int, str]) -> dict[int, str]:
    """Wait until the service names these champions; return them."""

    def has_come() -> bool:
        try:
            return read_champions(stack) == expected
        except (httpx.TransportError, AssertionError):
            return False

    stack.wait_until(has_come, timeout_s=120)
    return expected
