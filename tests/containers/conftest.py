"""One composed platform serves all container tests; none depends on what another has done."""

import signal

import pytest

from builders import make_candles, make_predictable_returns, write_candle_file
from containers.composed_stack import ComposedStack
from containers.round_trip import PLANTED, take_round_trip

HOURS = 160 * 24
PROBES = ("tests/containers/probes.yaml",)
CELERY = ("docker-compose.celery.yaml", "tests/containers/probes-celery.yaml")


def pytest_configure():
    # Whoever ends the run, as run.sh does when it takes too long, lets it put its platform away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--celery", action="store_true", help="Run tasks in two Celery workers.")


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
def stack(data, tmp_path_factory, request):
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
