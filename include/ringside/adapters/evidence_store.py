"""Reads what the forecast ledger proves: scored rows per contestant, a title's forecasts."""

from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from sqlalchemy import Engine, Row

from ringside.adapters.database import read_query, transaction
from ringside.core.candles import to_datetime64
from ringside.core.charts.forecast_fan import TitleForecasts
from ringside.core.gate.streams import Stream

_QUANTILES = ("q05", "q25", "q50", "q75", "q95")


class EvidenceStore:
    """Reads `forecasts` and `scores`; nothing whose outcome came after `as_of` is seen."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_rows(
        self, symbol: str, horizon: int, *, start: datetime, as_of: datetime
    ) -> dict[str, Stream]:
        """Read every scored row of a title from `start` on, by contestant, all versions mixed."""
        rows = self._read(
            "read_title_rows", symbol=symbol, horizon=horizon, start=start, as_of=as_of
        )
        return {
            contestant: _to_stream(list(found))
            for contestant, found in groupby(rows, key=attrgetter("contestant"))
        }

    def read_title_forecasts(
        self, symbol: str, horizon: int, *, champion: str, start: datetime, as_of: datetime
    ) -> TitleForecasts:
        """Read what was forecast in the title's name after `start` and by `as_of`.

        `champion` is the contestant whose forecasts count before the first reign.
        """
        rows = self._read(
            "read_title_forecasts",
            symbol=symbol,
            horizon=horizon,
            start=start,
            as_of=as_of,
            champion=champion,
        )
        return TitleForecasts(
            symbol=symbol,
            horizon=horizon,
            as_of=np.array([to_datetime64(row.as_of) for row in rows], "datetime64[s]"),
            target_time=np.array([to_datetime64(row.target_time) for row in rows], "datetime64[s]"),
            contestant=tuple(row.contestant for row in rows),
            is_live=np.array([row.is_live for row in rows], bool),
            anchor_close=np.array([row.anchor_close for row in rows], float),
            quantiles=np.array(
                [[getattr(row, name) for name in _QUANTILES] for row in rows], float
            ).reshape(len(rows), len(_QUANTILES)),
            realised_return=np.array(
                [np.nan if row.realised_return is None else row.realised_return for row in rows],
                float,
            ),
        )

    def _read(self, query: str, **parameters: object) -> list[Row[Any]]:
        with transaction(self._engine) as connection:
            return list(connection.execute(read_query(query), parameters))


def _to_stream(rows: list[Row[Any]]) -> Stream:
    return Stream(
        as_of=np.array([to_datetime64(row.as_of) for row in rows], "datetime64[s]"),
        target_time=np.array([to_datetime64(row.target_time) for row in rows], "datetime64[s]"),
        model_version=np.array([row.model_version for row in rows], np.int64),
        is_live=np.array([row.is_live for row in rows], bool),
        sigma=np.array([row.sigma for row in rows], float),
        quantiles=np.array([[getattr(row, name) for name in _QUANTILES] for row in rows], float),
        realised=np.array([row.realised_return for row in rows], float),
    )
