"""Where auxiliary series come from: Yahoo through yfinance, or files beside the candles."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ringside.core.candles import Floats, Times, floor_hour, to_datetime64
from ringside.core.known_values import AuxiliarySeries
from ringside.errors import CandleDataError, SettingsError, SourceUnavailableError
from ringside.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

HOURLY_DAYS = 729  # Yahoo keeps hourly bars no longer


@dataclass(frozen=True)
class Bars:
    """Rows of one series as a source sent them, shape (n,): its stamps in UTC, and the values.

    For daily values the stamp is midnight UTC of the session's date. NaN is a value not sent.
    """

    venue: str
    time: Times
    value: Floats


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
        return _cut(stamps, frame["close"], ("file", start, end))


class YahooSource:
    """Closing values through yfinance; hourly bars reach back two years."""

    def first_stamp(self, series: AuxiliarySeries, *, as_of: datetime) -> datetime | None:
        """Give the age at which Yahoo forgets hourly bars; daily values have none."""
        return None if series.is_daily else floor_hour(as_of) - timedelta(days=HOURLY_DAYS)

    def fetch(self, series: AuxiliarySeries, start: datetime, end: datetime) -> Bars:
        """Ask Yahoo for the rows stamped in [start, end)."""
        import yfinance

        try:
            frame = yfinance.Ticker(series.ticker).history(
                start=start,
                end=end + timedelta(days=1),
                interval="1d" if series.is_daily else "1h",
                auto_adjust=False,
                raise_errors=True,
            )
        except Exception as error:  # yfinance lets errors of five libraries through
            raise SourceUnavailableError(
                f"Yahoo did not answer for {series.ticker}: {error}"
            ) from error
        if frame.empty or "Close" not in frame:
            raise SourceUnavailableError(f"Yahoo answered nothing for {series.ticker}")
        stamps = frame.index.to_series()
        if series.is_daily:
            # Midnight in New York; only the date counts.
            stamps = stamps.dt.tz_localize(None).dt.normalize().dt.tz_localize("UTC")
        return _cut(stamps.dt.tz_convert("UTC"), frame["Close"], ("yahoo", start, end))


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


def _cut(
    stamps: "pd.Series[pd.Timestamp]",
    values: "pd.Series[float]",
    of: tuple[str, datetime, datetime],
) -> Bars:
    venue, start, end = of
    times = stamps.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    numbers = values.to_numpy(dtype="float64")
    shown = (times >= to_datetime64(start)) & (times < to_datetime64(end))
    return Bars(venue, times[shown], np.asarray(numbers[shown]))
