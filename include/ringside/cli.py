"""The command line `ringside`: what containers and local training processes run.

Exit codes: 0 done; 75 the same command may succeed later; 65 retrying cannot help; 2 wrong usage.
Results are written to the stores, never read from the output.
"""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from ringside.adapters.database import make_engine
from ringside.errors import PermanentError, RetryableError, SettingsError
from ringside.settings import Settings

EXIT_RETRYABLE = 75
EXIT_PERMANENT = 65

_log = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ledger = typer.Typer(no_args_is_help=True, help="The forecasts on the record.")
app.add_typer(ledger, name="ledger")
scores = typer.Typer(no_args_is_help=True, help="What is derived from the record.")
app.add_typer(scores, name="scores")

Series = Annotated[str, typer.Option("--series", help="Symbol, for example BTC/USDT.")]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of",
        help="Market time whose knowledge is allowed, ISO 8601 with a zone: 2026-01-31T12:00Z.",
    ),
]


@app.callback()
def read_secret(
    database_url_from_stdin: Annotated[
        bool,
        typer.Option(
            "--database-url-from-stdin",
            help="Take RINGSIDE_DATABASE_URL from the first line of stdin, where nothing lists it.",
        ),
    ] = False,
) -> None:
    """Commands of the Ringside platform. Settings come from RINGSIDE_* variables."""
    if not database_url_from_stdin:
        return
    url = sys.stdin.readline().strip()
    if not url:
        raise SettingsError("stdin ended before a database URL came")
    os.environ["RINGSIDE_DATABASE_URL"] = url


@app.command()
def migrate() -> None:
    """Bring the tables to the newest revision; running it again changes nothing."""
    from ringside.adapters import schema

    revision = schema.migrate(Settings())
    _log.info("migrated revision=%s", revision)


@app.command("set-clock")
def set_clock() -> None:
    """Set the market clock from the candle source once, and say how far it is from real time."""
    from ringside.jobs import clock

    clock.set_clock(Settings(), real_now=datetime.now(UTC))


@app.command()
def train(
    series: Series,
    as_of: AsOf,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of RINGSIDE_SEED.")] = None,
) -> None:
    """Fit every contestant of a series for every horizon and register the versions in MLflow."""
    from ringside.jobs import training

    training.train(Settings(), series, as_of=_parse_instant(as_of), seed=seed)


@app.command()
def record(series: Series, as_of: AsOf) -> None:
    """Forecast the weeks before the first issued hour in as-of order, and score them."""
    from ringside.jobs import recording

    recording.record(Settings(), series, as_of=_parse_instant(as_of))


@ledger.command("verify")
def verify_ledger() -> None:
    """Recompute the hash chain of every series' forecasts; fails naming the first broken row."""
    from ringside.adapters.ledger_store import LedgerStore

    store = LedgerStore(make_engine(Settings()))
    for symbol in store.read_symbols():
        _log.info("the ledger holds symbol=%s rows=%d", symbol, store.verify_chain(symbol))


@scores.command("rebuild")
def rebuild_scores(as_of: AsOf) -> None:
    """Forget all scores and the history of skill, and make them anew from ledger and candles."""
    from ringside.jobs import scoring

    scoring.rebuild_scores(Settings(), as_of=_parse_instant(as_of))


verdict_app = typer.Typer(no_args_is_help=True, help="Verdicts and the dockets they rest on.")
app.add_typer(verdict_app, name="verdict")


@verdict_app.command("replay")
def replay_verdict(
    verdict_id: Annotated[int, typer.Argument(help="As the log of `decide_title` names it.")],
) -> None:
    """Derive a verdict again from the ledger; fails naming the rows that are not what they were."""
    from ringside.jobs import replaying

    replaying.replay_verdict(Settings(), verdict_id)


def _parse_instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is no ISO 8601 instant"
        raise typer.BadParameter(message, param_hint="--as-of") from error
    if instant.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; add Z", param_hint="--as-of")
    return instant.astimezone(UTC)


def main() -> None:
    """Run a command and turn the error tree into exit codes."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # one line for every request would bury the facts
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        app()
    except RetryableError as error:
        _fail(error, EXIT_RETRYABLE)
    except (PermanentError, ValidationError) as error:
        _fail(error, EXIT_PERMANENT)


def _fail(error: Exception, exit_code: int) -> None:
    facts = getattr(error, "facts", {})
    described = " ".join(f"{name}={value}" for name, value in facts.items())
    _log.error("%s: %s %s", type(error).__name__, error, described)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
