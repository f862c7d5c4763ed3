"""Command line of the stand-in: `python -m ringside_standin --help`."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Annotated

import typer

from ringside.adapters.candle_files import CandleFileSource
from ringside.adapters.simulated_source import SimulatedSource
from ringside.core.candles import Candles, floor_hour
from ringside.errors import RingsideError
from ringside_standin.answers import Exchange
from ringside_standin.faults import FAULTS
from ringside_standin.klines import Book, make_book
from ringside_standin.server import StandInServer

KEPT_AHEAD = timedelta(days=30)
"""What is left to live through: the venue's clock starts this long before the candles end."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


def make_exchange(
    symbols: list[str],
    *,
    folder: Path | None = None,
    seed: int = 7,
    starts_at: datetime | None = None,
    real_now: datetime,
) -> Exchange:
    """Make the venue that trades `symbols`; its candles are moved so that they are under way now.

    Args:
        symbols: As `BTC/USDT`.
        folder: Candle files; None takes the simulated market of `seed`.
        seed: Seed of the simulated market.
        starts_at: The instant of the candles that is now; None is 30 days before the first ends.
        real_now: The instant on the wall clock, aware.

    Raises:
        SettingsError: the folder has no file of a symbol.
        CandleDataError: a file cannot be read.
    """
    source = SimulatedSource(seed) if folder is None else CandleFileSource(folder)
    all_candles: dict[str, Candles] = {}
    for symbol in symbols:
        end = source.last_known(symbol)
        if end is None:  # for the type checker: neither source is live
            raise AssertionError(symbol)
        all_candles[symbol] = source.fetch(symbol, _EARLIEST, end, end)
        starts_at = starts_at or end - KEPT_AHEAD
    if starts_at is None:
        raise typer.BadParameter("name at least one series")
    shift = floor_hour(real_now) - floor_hour(starts_at)
    books: dict[tuple[str, str], Book] = {
        (symbol.replace("/", ""), "1h"): make_book(candles, shift=shift)
        for symbol, candles in all_candles.items()
    }
    return Exchange(books, lambda: int(time() * 1000))


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of candle files; without it, a simulated market.")
    ] = None,
    series: Annotated[str, typer.Option(help="Symbols it trades, comma-separated.")] = "BTC/USDT",
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 8181,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 7,
    starts_at: Annotated[
        str | None,
        typer.Option(help="Instant of the candles that is now, as ISO 8601 in UTC."),
    ] = None,
) -> None:
    """Play Binance on this machine until it is interrupted.

    Set RINGSIDE_SOURCE=exchange and RINGSIDE_VENUE_URLS=binance=http://127.0.0.1:8181 to use it.
    `curl -d '{"fault": "banned"}' http://127.0.0.1:8181/stand-in/faults` spoils the next request.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    first = None if starts_at is None else datetime.fromisoformat(starts_at).replace(tzinfo=UTC)
    symbols = [symbol.strip() for symbol in series.split(",") if symbol.strip()]
    try:
        exchange = make_exchange(
            symbols, folder=data, seed=seed, starts_at=first, real_now=datetime.now(UTC)
        )
    except RingsideError as error:
        _log.error("%s", error)
        raise typer.Exit(65) from error
    with StandInServer(exchange, port=port) as server:
        _log.info("stand-in for Binance at %s trades %s", server.url, ", ".join(symbols))
        _log.info("faults that can be ordered: %s", ", ".join(FAULTS))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _log.info("stand-in stopped, requests=%s", len(server.asked))


if __name__ == "__main__":
    typer.run(main)
