"""The commands behind `make run`, `stop`, `status`, `logs` and `clean`."""

import os
import shutil
import sys
from typing import Annotated

import typer
from rich.console import Console

from ringside.errors import RingsideError
from ringside_embedded import report
from ringside_embedded.airflow_api import AirflowApi
from ringside_embedded.choices import read_choices, remember_choices, remember_ports
from ringside_embedded.credentials import read_or_make
from ringside_embedded.data_source import make_settings, settle_source
from ringside_embedded.failures import LaunchError
from ringside_embedded.layout import Layout
from ringside_embedded.ports import require_free
from ringside_embedded.programs import Platform, list_programs
from ringside_embedded.records import Records
from ringside_embedded.run_lock import only_one
from ringside_embedded.startup import STEP_COUNT, Startup
from ringside_embedded.steps import Steps
from ringside_embedded.supervision import Supervision
from ringside_embedded.supervisor_config import render_files
from ringside_embedded.tour import Tour

MIN_FREE_MIB = 500
INTERRUPTED = 130
# What a state folder holds; `clean` removes these and nothing else, whatever STATE names.
STATE_NAMES = (
    "airflow", "audits", "logs", "mlflow", "models", "postgres", "reports", "run",
    "bench.json", "choices.json", "secrets.json",
)  # fmt: skip

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(stderr=False)


def main() -> None:
    """Run a command; a failure is shown as what failed, the end of its log, and what to do."""
    try:
        app()
    except LaunchError as error:
        report.show_failure(console, error)
        sys.exit(1)
    except RingsideError as error:
        report.show_failure(console, LaunchError(f"{error}.", "`make status` shows what runs."))
        sys.exit(1)
    except KeyboardInterrupt:
        console.print(
            "\nInterrupted. What was started stays up: `make run` goes on, `make stop` ends it."
        )
        sys.exit(INTERRUPTED)


@app.command()
def run(
    tour: Annotated[bool, typer.Option(help="Take the first round trip afterwards.")] = True,
) -> None:
    """Start everything, take the first round trip, show what came out."""
    layout = Layout.find()
    with only_one(layout, "run"):
        _require_room(layout)
        layout.make_folders()
        platform, is_new = _make_platform(layout)
        steps = Steps(console, STEP_COUNT + 1)
        supervision = Supervision(layout)
        with steps.show():
            with steps.step("Data source") as step:
                platform, step.outcome = settle_source(platform)
            _settle_ports(platform, supervision)
            remember_ports(layout, platform.choices.ports)
            Startup(platform, supervision, steps).bring_up()
        remember_choices(layout, platform.choices)
        records = Records(make_settings(platform))
        if tour:
            report.show_market(console, records)
            Tour(AirflowApi.of(platform), records, console).take()
            report.show_results(console, records)
        report.show_addresses(console, platform, shows_password=is_new)


@app.command()
def stop() -> None:
    """Stop every part, each before the ones it needs; all data stays."""
    layout = Layout.find()
    with only_one(layout, "stop"):
        _stop(layout)


@app.command()
def status() -> None:
    """Show the health of each part, the last runs of each DAG, source and market time."""
    layout = Layout.find()
    supervision = Supervision(layout)
    if not layout.secrets_file.exists() or not supervision.is_alive():
        report.show_absence(console, layout.state, len(supervision.find_leftovers()))
        return
    platform, _ = _make_platform(layout)
    if not report.show_status(console, platform, supervision):
        raise typer.Exit(1)


@app.command()
def logs(
    part: Annotated[str, typer.Option(help="One part only.")] = "",
    lines: Annotated[int, typer.Option(help="Lines of each log.")] = 30,
    follow: Annotated[bool, typer.Option(help="Go on with what is written.")] = False,
) -> None:
    """Show the end of the logs of one part, or of all."""
    layout = Layout.find()
    known = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    if part and part not in known:
        raise LaunchError(f"There is no log of `{part}`.", f"There is: {', '.join(known)}.")
    files = [str(known[part])] if part else [str(path) for path in known.values()]
    if not files:
        console.print(f"No logs in {layout.logs} yet.")
        return
    sys.stdout.flush()
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *files]
    os.execvp("tail", command)  # noqa: S606, S607 -- the system's own tail


@app.command()
def clean(
    yes: Annotated[bool, typer.Option(help="Do not ask.")] = False,
) -> None:
    """Stop everything and remove all data; the environments stay."""
    layout = Layout.find()
    present = [layout.state / name for name in STATE_NAMES if (layout.state / name).exists()]
    if not present:
        console.print(f"{layout.state} holds nothing to remove.")
        return
    console.print(
        f"This removes all databases, models, reports and secrets in {layout.state}.",
        soft_wrap=True,
    )
    if not yes and not _agree():
        console.print("Nothing was removed.")
        return
    with only_one(layout, "clean"):
        _stop(layout)
        for path in present:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    console.print("Removed. The environments are kept; `make run` begins anew.")


def _agree() -> bool:
    if not sys.stdin.isatty():
        raise LaunchError("Nobody is there to be asked.", "To remove without a question: YES=1.")
    return typer.confirm("Go on?")


def _stop(layout: Layout) -> None:
    supervision = Supervision(layout)
    if supervision.is_alive():
        with console.status("stopping"):
            supervision.shut_down()
        console.print("Stopped; all data is kept.")
        return
    count = supervision.end_leftovers()
    said = f"Ended {count} processes that a killed run had left." if count else "Nothing runs."
    console.print(said)


def _make_platform(layout: Layout) -> tuple[Platform, bool]:
    if not layout.secrets_file.exists() and layout.postgres_data.exists():
        raise LaunchError(
            f"The databases are there, but {layout.secrets_file} with their passwords is not.",
            "Put it back from a copy; without it only `make clean` helps.",
        )
    credentials, is_new = read_or_make(layout.secrets_file)
    choices = read_choices(layout)
    if "RINGSIDE_POSTGRES_BIN" in choices.variables:
        os.environ["RINGSIDE_POSTGRES_BIN"] = choices.variables["RINGSIDE_POSTGRES_BIN"]
    return Platform(layout, choices, credentials), is_new


def _settle_ports(platform: Platform, supervision: Supervision) -> None:
    """Stop what runs with other settings, then see that every port still needed is free."""
    ports = platform.choices.ports
    if supervision.is_alive():  # nothing is stopped for the sake of a port that is not to be had
        held = read_choices(platform.layout, {}).ports.values()
        require_free(ports, {name for name, port in ports.items() if port not in held})
    staying = supervision.settle(render_files(platform.layout, list_programs(platform)))
    process_of = {"airflow": "api-server"}
    require_free(ports, {name for name in ports if process_of.get(name, name) not in staying})


def _require_room(layout: Layout) -> None:
    layout.state.mkdir(parents=True, exist_ok=True)
    free_mib = shutil.disk_usage(layout.state).free / 2**20
    if free_mib < MIN_FREE_MIB:
        raise LaunchError(
            f"The disk is nearly full: {free_mib:.0f} MiB are free for {layout.state}.",
            f"At least {MIN_FREE_MIB} MiB are needed; free some room and run `make run` again.",
        )
