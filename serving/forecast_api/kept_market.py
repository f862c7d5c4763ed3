"""The market with a memory: read anew every few seconds, and kept on disk for a cold start."""

import json
import logging
import threading
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np

from forecast_api.hour_inputs import HourInputs, from_json, to_json
from forecast_api.market import Market, MarketWindow, Origin
from ringside.adapters.whole_files import write_whole
from ringside.core.candles import Candles, floor_hour, to_datetime
from ringside.errors import StoreUnavailableError

log = logging.getLogger(__name__)

AWAITING_S = 1
"""How long an answer is kept while the candle of the last full hour is still missing."""
COMPLETE_S = 5
"""The same once it is there: only a revision can change what is known then."""
DOWN_S = 5
"""How long PostgreSQL is left alone after it did not answer."""


@dataclass(frozen=True)
class _Entry:
    window: MarketWindow
    offset: timedelta
    next_read: datetime


class KeptMarket:
    """Keeps the contract of `Market`; one thread reads for all that ask meanwhile.

    The candles and the inputs stay the same objects as long as their content does, so that whoever
    computes something from them can tell by identity whether to compute again.
    """

    def __init__(self, market: Market, folder: Path) -> None:
        self._market = market
        self._folder = folder
        self._entries: dict[str, _Entry] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def read_window(self, symbol: str, *, real_time: datetime) -> MarketWindow | None:
        """See `Market`."""
        entry = self._entries.get(symbol)
        if entry is None or real_time >= entry.next_read:
            with self._locks[symbol]:
                entry = self._entries.get(symbol)
                if entry is None or real_time >= entry.next_read:
                    entry = self._read(symbol, real_time)
        return None if entry is None else _tell(entry, real_time)

    def _read(self, symbol: str, real_time: datetime) -> _Entry | None:
        try:
            window = self._market.read_window(symbol, real_time=real_time)
        except StoreUnavailableError as error:
            log.warning("database unavailable: %s", error)
            entry = self._do_without(symbol, real_time)
            if entry is None:
                raise
        else:
            if window is None:
                return None
            entry = self._take(symbol, window, real_time)
        self._entries[symbol] = entry
        return entry

    def _take(self, symbol: str, window: MarketWindow, real_time: datetime) -> _Entry:
        """Keep what was read, and on disk if it is new."""
        known = self._entries.get(symbol)
        if known is not None:
            window = _reuse(known.window, window)
        is_new = known is None or (
            window.candles is not known.window.candles or window.inputs is not known.window.inputs
        )
        if is_new and len(window.candles):
            self._write(symbol, window, window.market_time - real_time)
        is_complete = len(window.candles) > 0 and to_datetime(
            window.candles.close_time[-1]
        ) == floor_hour(window.market_time)
        wait = timedelta(seconds=COMPLETE_S if is_complete else AWAITING_S)
        next_read = real_time + wait
        if is_complete:  # the next candle may be there as soon as its hour is full
            next_read = min(next_read, floor_hour(real_time) + timedelta(hours=1))
        return _Entry(window, window.market_time - real_time, next_read)

    def _do_without(self, symbol: str, real_time: datetime) -> _Entry | None:
        """Go on with what is in memory, else with the copy on disk, else with nothing."""
        entry = self._entries.get(symbol)
        wait = real_time + timedelta(seconds=DOWN_S)
        if entry is not None:
            origin: Origin = "disk" if entry.window.origin == "disk" else "memory"
            return _Entry(replace(entry.window, origin=origin), entry.offset, wait)
        copy = self._read_copy(symbol)
        if copy is None:
            return None
        window, offset = copy
        return _Entry(window, offset, wait)

    def _file(self, symbol: str) -> Path:
        return self._folder / f"{symbol.replace('/', '')}.json"

    def _write(self, symbol: str, window: MarketWindow, offset: timedelta) -> None:
        candles = window.candles
        columns = {
            f.name: getattr(candles, f.name).tolist() for f in fields(Candles) if f.name != "symbol"
        }
        columns["open_time"] = candles.open_time.astype("int64").tolist()
        content = json.dumps(
            {
                "symbol": symbol,
                "source": window.source,
                "offset_s": offset.total_seconds(),
                "candles": columns,
                "inputs": to_json(window.inputs),
            }
        )
        try:
            digest = sha256(content.encode()).hexdigest()
            write_whole(self._file(symbol), f"{digest}\n{content}")
        except OSError as error:
            log.warning("the copy of %s candles cannot be kept: %s", symbol, error)

    def _read_copy(self, symbol: str) -> tuple[MarketWindow, timedelta] | None:
        """Read the copy on disk; one that is damaged is logged and counts as none."""
        try:
            digest, _, content = self._file(symbol).read_text().partition("\n")
            if sha256(content.encode()).hexdigest() != digest:
                raise ValueError("its checksum differs")  # noqa: TRY301 - one exit for all damage
            kept = json.loads(content)
            columns = {name: np.array(values, float) for name, values in kept["candles"].items()}
            columns["open_time"] = np.array(kept["candles"]["open_time"], "datetime64[s]")
            window = MarketWindow(
                market_time=to_datetime(columns["open_time"][-1]),
                source=kept["source"],
                candles=Candles(symbol, **columns),
                origin="disk",
                inputs=from_json(kept["inputs"]) if "inputs" in kept else HourInputs(),
            )
            return window, timedelta(seconds=kept["offset_s"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the copy of %s candles cannot be used: %s", symbol, error)
            return None


def _tell(entry: _Entry, real_time: datetime) -> MarketWindow:
    """Tell the kept window at another instant; its candles were closed and stay so."""
    window = entry.window
    return MarketWindow(
        real_time + entry.offset, window.source, window.candles, window.origin, window.inputs
    )


def _reuse(known: MarketWindow, window: MarketWindow) -> MarketWindow:
    """Put what is known already in the place of what is the same."""
    candles = known.candles if _are_same(known.candles, window.candles) else window.candles
    inputs = known.inputs if known.inputs.is_same(window.inputs) else window.inputs
    return replace(window, candles=candles, inputs=inputs)


def _are_same(one: Candles, other: Candles) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name))
        for f in fields(Candles)
        if f.name != "symbol"
    )
