"""`GET /v1/forecasts` and `GET /v1/candles`: what was, page by page."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy import RowMapping

from forecast_api.contract import describe
from forecast_api.desk import find_desk
from forecast_api.forecast import require_symbol
from forecast_api.market import LABELS
from forecast_api.questions import read_query
from forecast_api.schemas.history import (
    CandlesAnswer,
    ForecastsAnswer,
    ForecastsQuery,
    HistoryQuery,
)
from ringside.adapters.history_pages import Place, Span
from ringside.core.quantiles import LEVELS, to_prices

bp = Blueprint("history", __name__)

_QUANTILES = ("q05", "q25", "q50", "q75", "q95")
_COLUMNS = ("open", "high", "low", "close", "volume")


@bp.get("/v1/forecasts")
@describe(ForecastsAnswer, query=ForecastsQuery, problems=(404, 503))
def get_forecasts() -> ResponseReturnValue:
    """Tell what was forecast and what came true."""
    desk = find_desk()
    query = read_query(request.args, ForecastsQuery)
    symbol = require_symbol(query.symbol, desk.symbols)
    page = desk.history.read_forecasts(
        Span(symbol, query.start, query.end, query.limit),
        horizon=query.horizon,
        contestant=query.contestant,
        after=_read_place(query.after),
    )
    following = None
    if page.has_more:
        last = page.rows[-1]
        place = f"{int(last['as_of'].timestamp())}-{last['id']}"
        following = _make_path("/v1/forecasts", {"after": place})
    return {
        "symbol": symbol,
        "forecasts": [_render_forecast(row) for row in page.rows],
        "next": following,
    }


@bp.get("/v1/candles")
@describe(CandlesAnswer, query=HistoryQuery, problems=(404, 503))
def get_candles() -> ResponseReturnValue:
    """Tell the published candles, ready to be sent to `/v1/predict`."""
    desk = find_desk()
    query = read_query(request.args, HistoryQuery)
    symbol = require_symbol(query.symbol, desk.symbols)
    page = desk.history.read_candles(Span(symbol, query.start, query.end, query.limit))
    following = None
    if page.has_more:
        start = page.rows[-1]["open_time"] + timedelta(hours=1)
        following = _make_path("/v1/candles", {"start": _tell_instant(start)})
    source = desk.history.read_source()
    columns = {name: [row[name] for row in page.rows] for name in _COLUMNS}
    return {
        "symbol": symbol,
        "source": {"kind": source, "label": LABELS.get(source, source)},
        "candles": {"open_time": [_tell_instant(row["open_time"]) for row in page.rows], **columns},
        "venue": [row["venue"] for row in page.rows],
        "next": following,
    }


def _make_path(path: str, changes: Mapping[str, str]) -> str:
    """Write the path of the next page: what was asked, with the changes."""
    return f"{path}?{urlencode({**request.args.to_dict(), **changes})}"


def _read_place(after: str | None) -> Place | None:
    if after is None:
        return None
    seconds, _, row = after.partition("-")
    return Place(datetime.fromtimestamp(int(seconds), UTC), int(row))


def _render_forecast(row: RowMapping) -> dict[str, object]:
    log_return = [row[name] for name in _QUANTILES]
    realised = row["realised_return"]
    anchor = row["anchor_close"]
    levels = tuple(map(str, LEVELS))
    return {
        **{name: _tell_instant(row[name]) for name in ("as_of", "target_time", "issued_at")},
        **{name: row[name] for name in ("horizon", "contestant", "kind", "anchor_close")},
        "version": row["model_version"],
        "log_return": dict(zip(levels, log_return, strict=True)),
        "quantiles": dict(
            zip(levels, to_prices(anchor, np.array(log_return)).tolist(), strict=True)
        ),
        "realised_return": realised,
        "realised_close": None
        if realised is None
        else float(to_prices(anchor, np.array(realised))),
        "is_inside_50": row["is_inside_50"],
        "is_inside_90": row["is_inside_90"],
    }


def _tell_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
