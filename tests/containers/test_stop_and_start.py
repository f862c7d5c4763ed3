"""Down and up again keeps everything; what cannot start is named before anything does."""

import socket

import pytest

from containers.round_trip import read_champions, take_snapshot, wait_champions

pytestmark = pytest.mark.containers


def test_down_and_up_again_keeps_all_data(round_trip, stack):
    before = take_snapshot(stack, round_trip.as_of)
    secrets, champions = stack.secrets, read_champions(stack)
    stack.stop()

    assert stack.run("docker", "ps", "--all", "--quiet", "--filter",
                     f"label=com.docker.compose.project={stack.project}") == ""  # fmt: skip
    said = stack.start()

    wait_champions(stack, champions)
    assert take_snapshot(stack, round_trip.as_of) == before
    assert stack.secrets == secrets
    assert secrets["airflow_admin_password"] not in said


@pytest.fixture
def stopped(stack):
    """The platform down, for tests of what hinders a start; it is up again afterwards."""
    stack.stop()
    yield stack
    stack.start()


def test_what_hinders_a_start_is_named_before_anything_starts(stopped):
    kept = stopped.read_kept()
    stopped.write_kept("{")
    try:
        with pytest.raises(AssertionError, match="kept secrets are damaged"):
            stopped.start()
    finally:
        stopped.write_kept(kept)
    assert stopped.compose("ps", "--quiet") == ""

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", stopped.ports["mlflow"]))
        holder.listen()
        with pytest.raises(AssertionError, match=r"Port \d+ of mlflow is taken"):
            stopped.start()
    assert stopped.compose("ps", "--quiet") == ""
