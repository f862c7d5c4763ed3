"""Where auxiliary series come from: Yahoo through yfinance, or files beside the candles."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

from ringside.adapters.auxiliary_bars import Bars, cut_bars
from ringside.adapters.yahoo_source import YahooSource
from ringside.core.known_values import AuxiliarySeries
from ringside.errors import CandleDataError, SettingsError
from ringside.settings import Settings


class AuxiliarySource(Protocol):
    """A place that can be asked for an auxiliary series."""

    def first_stamp(self, series: AuxiliarySeries, *, as_of: datetime) -> datetime | None:
        """Give the oldest stamp it still has at `as_of`, on a full hour; None without a limit."""

    def fetch(self, series: AuxiliarySeries, start: datetime, end: datetime) -> Bars:
        """Fetch the rows stamped in [start, end); those still forming may be among them.

        Raises:
            SourceUnavailableError: it did not answer.
            CandleDataError: what it answered cannot be read.
            SettingsError: it does not have the series.
        """


class FileAuxiliarySource:
    """Files `vix_1d`, `ndx_1d`, `gold_gc_1h` (Parquet) with `open_time` and `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def first_stamp(self, series: AuxiliarySeries, *, as_of: datetime) -> datetime | None:
        """Give None: a file has what it has."""
        return None

    def fetch(self, series: AuxiliarySeries, start: datetime, end: datetime) -> Bars:
        """Read the rows stamped in [start, end)."""
        import pandas as pd

        path = self._folder / f"{series.file_name}.parquet"
        if not path.is_file():
            raise SettingsError(f"{path} is not there; take {series.name} out of the settings")
        try:
            frame = pd.read_parquet(path, columns=["open_time", "close"])
            stamps = frame["open_time"].dt.tz_convert("UTC")
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise CandleDataError(f"{path} cannot be read as a series: {error}") from error
        return cut_bars(stamps, frame["close"], ("file", start, end))


def make_auxiliary_source(settings: Settings) -> AuxiliarySource:
    """Make the source of auxiliary series that goes with the source of the candles.

    Raises:
        SettingsError: the market is simulated; there is nothing beside it.
    """
    if settings.source == "exchange":
        return YahooSource()
    if settings.source == "file" and settings.source_path is not None:
        return FileAuxiliarySource(settings.source_path)
    raise SettingsError(
        "a simulated market has no auxiliary series; empty RINGSIDE_AUXILIARY, or use real candles"
    )
