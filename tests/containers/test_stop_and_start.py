"""Down and up again keeps everything; what cannot start is named before anything does."""

import socket

import httpx
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
    require_docket(stack)


def require_docket(stack):
    """A verdict from before is derived again, and its docket shown, by the containers of now."""
    verdict_id, docket = stack.query(
        "SELECT id, docket FROM verdicts WHERE docket IS NOT NULL ORDER BY id LIMIT 1"
    )[0]
    replay = ("ringside", "verdict", "replay", str(verdict_id))
    assert f"verdict={verdict_id} matches" in stack.compose(
        "exec", "-T", "airflow-scheduler", *replay
    )
    address = f"http://127.0.0.1:{stack.ports['airflow']}/ringside/dockets/{docket}"
    shown = httpx.get(address, headers=stack.api.headers, timeout=60)
    assert (shown.status_code, "block_losses" in shown.json()) == (200, True)


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
