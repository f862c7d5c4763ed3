"""What the launcher shows at the end and when asked: results, addresses, health, failures."""

from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ringside.errors import RingsideError
from ringside_embedded.airflow_api import AirflowApi
from ringside_embedded.data_source import make_settings
from ringside_embedded.failures import LaunchError
from ringside_embedded.health import make_probes
from ringside_embedded.programs import ADMIN, Platform
from ringside_embedded.records import Records
from ringside_embedded.supervision import ProcessState, Supervision, read_memory_mib
from ringside_embedded.tour import STOPS


def show_failure(console: Console, error: LaunchError) -> None:
    """Show what failed, the end of its log, and what to do."""
    what = error.what[:1].upper() + error.what[1:]
    console.print(f"\n[bold red]{escape(what)}[/]", highlight=False, soft_wrap=True)
    for line in error.log_end():
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True, style="dim")
    if error.log is not None:
        console.print(f"Log: {escape(str(error.log))}", highlight=False, soft_wrap=True)
    console.print(escape(error.advice), highlight=False, soft_wrap=True)


def show_absence(console: Console, state: Path, leftovers: int) -> None:
    """Say that no platform is up, and what a killed one may have left."""
    said = f"Nothing runs on {state}. `make run` starts everything."
    if leftovers:
        said = (
            f"The supervisor of {state} was killed; {leftovers} of its processes run on without "
            "it. `make run` ends them and starts everything anew, `make stop` only ends them."
        )
    console.print(said, markup=False, highlight=False, soft_wrap=True)


def show_market(console: Console, records: Records) -> None:
    """Show where candles come from and what time it is there."""
    market = records.read_market()
    if market is None:
        return
    shift = f", {market.offset_hours} h from the clock on the wall" if market.offset_hours else ""
    console.print(
        f"\nCandles: {escape(market.detail)}. Market time {market.time:%Y-%m-%d %H:%M} UTC{shift}.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def show_results(console: Console, records: Records) -> None:
    """Show the verdicts in words, a forecast fetched over REST, and where the first chart is."""
    console.print("\n[bold]Verdicts[/]")
    for sentence in records.read_verdicts():
        console.print(f"  {escape(sentence)}", highlight=False, soft_wrap=True)
    try:
        url, forecast = records.fetch_forecast()
    except httpx.HTTPError as error:
        raise LaunchError(
            f"The service did not answer ({error!r}).", "make logs PART=serving says why."
        ) from error
    console.print(f"\n[bold]Forecast[/] from GET {url}", highlight=False, soft_wrap=True)
    if forecast is None:
        console.print("  none yet; open the address to see why", highlight=False)
    else:
        console.print(_tabulate(forecast), markup=False, highlight=False, soft_wrap=True)
    chart = records.find_chart()
    if chart is not None:
        console.print(f"\n[bold]Chart[/] {chart}", highlight=False, soft_wrap=True)


def _tabulate(forecast: dict[str, Any]) -> str:
    """Lay out the quantiles, a line for each horizon; prices in the quote currency."""
    names = ("5 %", "25 %", "median", "75 %", "95 %")
    lines = [f"  {forecast['symbol']} as of {forecast['as_of'][:16]} UTC"]
    lines.append("  in   " + "".join(f"{name:>12}" for name in names))
    for row in forecast["forecasts"]:
        prices = "".join(f"{price:>12,.2f}" for _, price in sorted(row["quantiles"].items()))
        lines.append(f"  {row['horizon']:>2} h {prices}   {row['contestant']} v{row['version']}")
    return "\n".join(lines)


def show_addresses(console: Console, platform: Platform, *, shows_password: bool) -> None:
    """Show where everything is; the password only when it was made in this run."""
    url = platform.choices.url
    secrets_file = platform.layout.secrets_file
    password = f"password in {secrets_file}"
    if shows_password:
        shown = platform.credentials.airflow_admin_password
        password = f"password {shown} (shown only now; kept in {secrets_file})"
    console.print("\n[bold]Addresses[/]")
    for name, address in (
        ("Airflow", f"{url('airflow')}  user {ADMIN}, {password}"),
        ("MLflow", url("mlflow")),
        ("Forecasts", f"{url('serving')}/v1/forecast?symbol=BTC/USDT"),
    ):
        console.print(f"  {name:<10} {address}", markup=False, highlight=False, soft_wrap=True)
    console.print("Everything stays up: `make status`, `make logs`, `make stop`.", highlight=False)


def show_status(console: Console, platform: Platform, supervision: Supervision) -> bool:
    """Show the health of each part; say whether all are well."""
    probes = make_probes(platform)
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name, justify in (("part", "left"), ("health", "left"), ("process", "right"),
                          ("up", "right"), ("MiB", "right")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # rich wants a literal
    are_well = []
    for state in supervision.read_states():
        is_well = state.is_running and probes[state.name]()
        are_well.append(is_well)
        table.add_row(state.name, *_describe(state, is_well))
    console.print(table)
    if all(are_well):
        _show_runs(console, platform)
    show_addresses(console, platform, shows_password=False)
    return all(are_well)


def _describe(state: ProcessState, is_well: bool) -> list[str]:
    if not state.is_running:
        return [f"[red]{state.state.lower()}[/]", "-", "-", "-"]
    health = "[green]healthy[/]" if is_well else "[yellow]not yet healthy[/]"
    hours, minutes = divmod(state.uptime_s // 60, 60)
    return [health, str(state.pid), f"{hours}:{minutes:02}", f"{read_memory_mib(state.pid):.0f}"]


def _show_runs(console: Console, platform: Platform) -> None:
    records = Records(make_settings(platform))
    try:
        show_market(console, records)
    except RingsideError as error:
        console.print(f"[yellow]{escape(str(error))}[/]")
    api = AirflowApi.of(platform)
    api.log_in()
    console.print("\n[bold]Last runs[/]")
    for stop in STOPS:
        runs = [f"{run.state} {run.queued_at[:16]}" for run in api.read_runs(stop.dag_id, limit=3)]
        console.print(f"  {stop.dag_id:<18} {', '.join(runs) or 'none'}", highlight=False)
