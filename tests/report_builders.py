"""A series with a history to report on: a simulated market, forecasts of known making, a title."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import psycopg
from sqlalchemy import insert

from ringside.adapters.database import make_engine, transaction
from ringside.adapters.tables import market_clock, quarantined_candles
from ringside.adapters.title_store import StoredVerdict, TitleStore
from ringside.core.candles import HOUR, Candles, to_datetime
from ringside.core.features import compute_features
from ringside.core.gate.decision import decide_title
from ringside.core.gate.texts import render_verdict
from ringside.core.market_simulation import LAST_CLOSE, simulate_market
from ringside.core.metrics import compute_pinball_loss
from ringside.core.titles import Title
from ringside.core.verdicts import Reign
from ringside.jobs.comparison import make_rule
from ringside.jobs.policies import write_policy_costs
from ringside.jobs.records import read_record

END = LAST_CLOSE
NORMAL = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
CONTESTANTS = ("persistence", "persistence_ewma", "linear", "xgboost")
_LIVE_DAYS = 60


@dataclass(frozen=True)
class _Made:
    """Forecasts of one contestant and horizon with what came true; rows of one hour each."""

    as_of: np.ndarray
    sigma: np.ndarray
    anchor: np.ndarray
    quantiles: np.ndarray
    realised: np.ndarray


@dataclass(frozen=True)
class _Recipe:
    """Whose forecasts to make, over how many days."""

    symbol: str
    horizon: int
    contestant: str
    days: int


def fill_history(settings, *, symbol="BTC/USDT", days=60, end=END):
    """Publish candles and put scored forecasts of all contestants behind them; give the candles."""
    start = end - timedelta(days=days + 31)
    candles = simulate_market(7, symbol).show(start, end, end)
    url = settings.database_url.get_secret_value().replace("+psycopg", "")
    table = compute_features(candles)
    with psycopg.connect(url) as connection:
        _copy_candles(connection, candles)
        for horizon in settings.horizons:
            for contestant in CONTESTANTS:
                _copy_forecasts(connection, _Recipe(symbol, horizon, contestant, days), table)
        connection.execute(_SCORES, {"symbol": symbol})
    return candles


def fill_title(settings, *, symbol="BTC/USDT", days=60, end=END):
    """Let titles change hands, with daily verdicts, the last one by the gate itself."""
    store = TitleStore(make_engine(settings))
    for horizon in settings.horizons:
        for place, contestant in ((0.1, "persistence"), (0.5, "persistence_ewma")):
            held_from = end - timedelta(days=days * (1 - place))
            store.append_reign(
                Reign(symbol, horizon, contestant, 1, held_from, held_from, "test", "test")
            )
        for day in range(1, days * 9 // 10, 7):
            as_of = end - timedelta(days=day, hours=12)
            store.write_verdict(_make_verdict(symbol, horizon, as_of, "keep_champion", ("-", "-")))
        title = Title(symbol, horizon)
        record = read_record(settings, title, as_of=end, entrants={})
        verdict = decide_title(record, make_rule(settings))
        texts = render_verdict(verdict)
        store.write_verdict(_make_verdict(symbol, horizon, end, verdict.outcome, texts))
        write_policy_costs(settings, title, record)


def set_market(settings):
    """Say where the candles come from."""
    row = {"id": 1, "source": "simulated", "source_detail": "simulated market, seed 7"}
    with transaction(make_engine(settings)) as connection:
        connection.execute(insert(market_clock).values(**row, offset_hours=0, set_at=END))


def quarantine(settings, candles: Candles, rows, *, check="volume_spike"):
    """Put some candles into quarantine too, as an audit would."""
    values = [
        {
            "batch_id": "bad",
            "row_number": number,
            "symbol": candles.symbol,
            "venue": "simulated",
            "open_time": to_datetime(candles.open_time[row]),
            "reasons": [{"expectation": check, "reason": "planted"}],
            "quarantined_at": END,
        }
        for number, row in enumerate(rows)
    ]
    with transaction(make_engine(settings)) as connection:
        connection.execute(insert(quarantined_candles), values)


def _make_verdict(symbol, horizon, as_of, outcome, texts):
    return StoredVerdict(
        symbol=symbol,
        horizon=horizon,
        as_of=as_of,
        outcome=outcome,
        champion="persistence_ewma",
        champion_version=1,
        challenger=None,
        challenger_version=None,
        facts={},
        text_en=texts[0],
        text_ko=texts[1],
        decided_at=as_of,
    )


def _make_forecasts(recipe, table):
    horizon = recipe.horizon
    closed = table.open_time + HOUR
    usable = table.is_usable & (closed > closed[-1] - np.timedelta64(recipe.days, "D"))
    sigma = table.sigma[usable]
    season = table.values[usable][:, table.names.index("season_1h")]
    widths = {
        "persistence": np.full(len(sigma), table.sigma[table.is_usable].mean()),
        "persistence_ewma": sigma,
        "linear": sigma * np.sqrt(season),
        "xgboost": 0.95 * sigma * season,
    }
    scale = widths[recipe.contestant] * np.sqrt(horizon)
    close = dict(zip(closed.tolist(), table.close, strict=True))
    as_of = closed[usable]
    later = [close.get(one, np.nan) for one in (as_of + horizon * HOUR).tolist()]
    anchor = table.close[usable]
    return _Made(as_of, sigma, anchor, scale[:, None] * NORMAL, np.log(np.array(later) / anchor))


def _copy_forecasts(connection, recipe, table):
    made = _make_forecasts(recipe, table)
    horizon, contestant = recipe.horizon, recipe.contestant
    live_from = made.as_of[-1] - np.timedelta64(min(_LIVE_DAYS, recipe.days // 2), "D")
    statement = (
        "COPY forecasts (symbol, horizon, contestant, model_version, as_of, target_time, issued_at,"
        " kind, anchor_close, sigma, q05, q25, q50, q75, q95, prev_hash, row_hash, input_ages,"
        " hash_form) FROM STDIN"
    )
    with connection.cursor().copy(statement) as sink:
        for row, instant in enumerate(made.as_of):
            is_live = instant > live_from
            at = to_datetime(instant)
            sink.write_row(
                (
                    recipe.symbol, horizon, contestant, int(is_live), at,
                    at + timedelta(hours=horizon), at, "live" if is_live else "replayed",
                    float(made.anchor[row]), float(made.sigma[row]),
                    *made.quantiles[row].tolist(), "", "", '{"candles": 0.0}', 2,
                )
            )  # fmt: skip
    known = np.isfinite(made.realised)
    loss = compute_pinball_loss(made.realised, made.quantiles)
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS came (h int, c text, t timestamptz, r float8, l float8)"
    )
    with connection.cursor().copy("COPY came FROM STDIN") as sink:
        for row in np.flatnonzero(known):
            at = to_datetime(made.as_of[row])
            sink.write_row((horizon, contestant, at, float(made.realised[row]), float(loss[row])))


def _copy_candles(connection, candles):
    statement = (
        "COPY candles (symbol, open_time, open, high, low, close, volume, venue, batch_id,"
        " published_at) FROM STDIN"
    )
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    with connection.cursor().copy(statement) as sink:
        for row, instant in enumerate(candles.open_time):
            numbers = [float(column[row]) for column in columns]
            sink.write_row((candles.symbol, to_datetime(instant), *numbers, "simulated", "b", END))


_SCORES = """
    INSERT INTO scores (forecast_id, symbol, horizon, contestant, model_version, is_live,
        target_time, target_close, realised_return, loss, scaled_loss, abs_error, quantiles_below,
        is_inside_50, is_inside_90, scored_at)
    SELECT f.id, f.symbol, f.horizon, f.contestant, f.model_version, f.kind = 'live', f.target_time,
        f.anchor_close * exp(c.r), c.r, c.l, c.l / f.sigma, abs(c.r),
        (f.q05 < c.r)::int + (f.q25 < c.r)::int + (f.q50 < c.r)::int + (f.q75 < c.r)::int
            + (f.q95 < c.r)::int,
        c.r BETWEEN f.q25 AND f.q75, c.r BETWEEN f.q05 AND f.q95, f.target_time
    FROM forecasts AS f
    INNER JOIN came AS c ON c.h = f.horizon AND c.c = f.contestant AND c.t = f.as_of
    WHERE f.symbol = %(symbol)s
"""
