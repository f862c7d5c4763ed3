"""Where candles come from: what every source can do, and which one is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ringside.adapters.candle_files import CandleFileSource
from ringside.adapters.exchange import ExchangeSource, find_fault
from ringside.adapters.simulated_source import SimulatedSource
from ringside.core.candles import Candles
from ringside.errors import SettingsError
from ringside.settings import Settings, SourceKind

# Before a fallback takes a venue's place, a fault gets this long to pass.
_PAUSES_S = (2.0, 8.0)


class CandleSource(Protocol):
    """A market that can be asked for hourly candles as of an instant."""

    @property
    def venue(self) -> str:
        """Name stored beside each candle, so that two sources never pass for one."""

    def fetch(self, symbol: str, start: datetime, end: datetime, as_of: datetime) -> Candles:
        """Fetch the candles that the market showed at `as_of`, open times in [start, end).

        The candle still forming at `as_of` may come last; missing hours are missing.

        Raises:
            SourceUnavailableError: the source did not answer; try again later.
            SettingsError: the source does not know `symbol`.
            CandleDataError: what it answered cannot be read as candles.
        """

    def last_known(self, symbol: str) -> datetime | None:
        """Give the close time of the last candle; None where the market is live.

        Raises:
            SettingsError: the source does not know `symbol`.
            CandleDataError: the candles cannot be read.
        """

    def describe(self) -> str:
        """Name the source in a few words; another text means other data."""


@dataclass(frozen=True)
class FoundSource:
    """The source at hand, the folder of its files (None but for `file`), and why it is the one."""

    kind: SourceKind
    source_path: Path | None
    reason: str


def make_source(settings: Settings) -> CandleSource:
    """Make the source that the settings name; nothing is asked before it is first used.

    Raises:
        SettingsError: the source is `file` and no folder is given.
    """
    if settings.source == "exchange":
        return _make_exchange(settings, settings.venue)
    if settings.source == "file":
        if settings.source_path is None:
            raise SettingsError(
                "RINGSIDE_SOURCE is `file`: set RINGSIDE_SOURCE_PATH to the folder of its candles"
            )
        return CandleFileSource(settings.source_path)
    return SimulatedSource(settings.simulation_seed)


def make_sources(settings: Settings, symbol: str) -> tuple[CandleSource, ...]:
    """Make the sources of one series in the order they are asked: authority, then fallbacks.

    Raises:
        SettingsError: the source is `file` and no folder is given.
    """
    if settings.source != "exchange":
        return (make_source(settings),)
    *replaceable, last = settings.venues_of(symbol)
    return (
        *(_make_exchange(settings, venue, pauses_s=_PAUSES_S) for venue in replaceable),
        _make_exchange(settings, last),
    )


def _make_exchange(
    settings: Settings, venue: str, *, pauses_s: tuple[float, ...] = ()
) -> ExchangeSource:
    return ExchangeSource(venue, stand_in=settings.stand_in_of(venue), pauses_s=pauses_s)


def find_source(
    symbols: Sequence[str],
    *,
    venue: str = "binance",
    folder: Path | None = None,
    timeout_s: float = 4.0,
) -> FoundSource:
    """Find the first source at hand in the order exchange, file, simulated.

    Args:
        symbols: The series that a folder must hold to be at hand.
        venue: ccxt id of the exchange; it gets one cheap request.
        folder: Folder of candle files; None when there is none.
        timeout_s: Seconds that the exchange has to answer, in all.

    Raises:
        CandleDataError: the exchange is not at hand and a file of the folder is damaged.
        SettingsError: ccxt knows no exchange `venue`.
    """
    fault = find_fault(venue, timeout_s=timeout_s)
    if fault is None:
        return FoundSource("exchange", None, f"{venue} answers, so candles come from there")
    if folder is None:
        reason = f"{fault}; no folder of candles is given, so the market is simulated"
        return FoundSource("simulated", None, reason)
    files = CandleFileSource(folder)
    missing = [symbol for symbol in symbols if files.find_path(symbol) is None]
    if missing:
        lacks = f"{folder} holds no candles of {', '.join(missing)}"
        return FoundSource("simulated", None, f"{fault}; {lacks}, so the market is simulated")
    for symbol in symbols:
        files.last_known(symbol)
    return FoundSource("file", folder, f"{fault}; {folder} holds candles of {', '.join(symbols)}")
