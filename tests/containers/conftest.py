"""One composed platform serves all container tests; none depends on what another has done."""

import signal
import subprocess

import pytest

from builders import make_candles, make_predictable_returns, write_candle_file
from containers.composed_stack import ComposedStack
from containers.round_trip import PLANTED, take_round_trip
from s3_process import BUCKET, KEY, s3_server

HOURS = 160 * 24
PROBES = ("tests/containers/probes.yaml",)
CELERY = ("docker-compose.celery.yaml", "tests/containers/probes-celery.yaml")


def pytest_configure():
    # Whoever ends the run, as run.sh does when it takes too long, lets it put its platform away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--celery", action="store_true", help="Run tasks in two Celery workers.")
    parser.addoption("--s3", action="store_true", help="Keep artefacts in a local S3 server.")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    returns = make_predictable_returns(HOURS, seed=1)
    write_candle_file(make_candles(HOURS, symbol=PLANTED, returns=returns, seed=1), folder)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


@pytest.fixture(scope="session")
def store(tmp_path_factory, request):
    """The address of the S3 server on this machine, as containers reach it; None without --s3."""
    if not request.config.getoption("--s3"):
        yield None
        return
    format_ = "{{(index .IPAM.Config 0).Gateway}}"
    command = ["docker", "network", "inspect", "bridge", "--format", format_]
    host = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with s3_server(tmp_path_factory.mktemp("s3"), host) as url:
        yield url


def choose_store(url, folder):
    """The variables that move the artefacts into a bucket."""
    if url is None:
        return {}
    folder.chmod(0o755)
    (folder / "credentials").write_text(KEY)
    (folder / "credentials").chmod(0o644)
    return {
        "COMPOSE_PROFILES": "s3",
        "RINGSIDE_ARTIFACTS": f"s3://{BUCKET}/ringside",
        "RINGSIDE_S3_KEY": str(folder),
        "MLFLOW_S3_ENDPOINT_URL": url,
    }


@pytest.fixture(scope="session")
def stack(data, store, tmp_path_factory, request):
    overlays = PROBES + CELERY if request.config.getoption("--celery") else PROBES
    stack = ComposedStack(
        tmp_path_factory.mktemp("platform"),
        data,
        (PLANTED,),
        overlays=overlays,
        RINGSIDE_HORIZONS="1,6",
        RINGSIDE_HISTORY_DAYS="125",
        RINGSIDE_TRAIN_DAYS="60",
        RINGSIDE_RECORD_WEEKS="4",
        RINGSIDE_WORKERS="2",
        **choose_store(store, tmp_path_factory.mktemp("key")),
    )
    try:
        stack.start()
        yield stack
    finally:
        stack.destroy()


@pytest.fixture(scope="session")
def round_trip(stack, tmp_path_factory):
    """Everything the tests of recovery and promotion compare with: a round trip undisturbed."""
    return take_round_trip(stack, tmp_path_factory.mktemp("archive") / "before.tar")
