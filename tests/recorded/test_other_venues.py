"""Recorded candles of the other venues go through ccxt's own parsers into ours."""

from datetime import UTC, datetime, timedelta

import pytest
from replay import as_json, make_client

from ringside.adapters.exchange import ExchangeSource

LATER_S = 1_800_000_000
HOUR_S = 3_600


def fetch(venue, body, opens_s, *, now_s=LATER_S):
    """Fetch the hours that `opens_s` spans, by the venue's clock at `now_s`."""
    greetings = {
        "/v5/market/time": as_json({"retCode": 0, "time": now_s * 1000}),
        "/0/public/Time": as_json({"error": [], "result": {"unixtime": now_s}}),
        "/v2/time": as_json({"data": {"epoch": now_s}}),
        "brokerage/time": as_json({"epochMillis": str(now_s * 1000), "epochSeconds": str(now_s)}),
    }
    client = make_client(venue, {**greetings, "": as_json(body)})
    if not client.has["fetchTime"]:
        stamp = datetime.fromtimestamp(now_s, UTC)
        client.last_response_headers = {"Date": f"{stamp:%a, %d %b %Y %H:%M:%S} GMT"}
    start = datetime.fromtimestamp(min(opens_s), UTC)
    end = datetime.fromtimestamp(max(opens_s), UTC) + timedelta(hours=1)
    return ExchangeSource(venue, client).fetch("BTC/USDT", start, end, end + timedelta(days=1))


def rows_of(candles):
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    opens = candles.open_time.astype("int64").tolist()
    return [list(row) for row in zip(opens, *(c.tolist() for c in columns), strict=True)]


def test_kraken_and_its_forming_candle_is_left_out(recorded):
    answer = recorded("kraken/ohlc_60m.json")
    rows = answer["result"]["XBTUSDT"]
    closed = [row for row in rows if row[0] <= answer["result"]["last"]]
    assert len(closed) == len(rows) - 1
    now_s = rows[-1][0] + 600
    candles = fetch("kraken", answer, [row[0] for row in rows], now_s=now_s)
    assert rows_of(candles) == [
        [row[0], *(float(row[place]) for place in (1, 2, 3, 4, 6))] for row in closed
    ]


def test_bybit_newest_first(recorded):
    answer = recorded("bybit/v5_market_kline_60.json")
    rows = answer["result"]["list"]
    assert int(rows[0][0]) > int(rows[-1][0])
    candles = fetch("bybit", answer, [int(row[0]) // 1000 for row in rows])
    assert rows_of(candles) == [
        [int(row[0]) // 1000, *map(float, row[1:6])] for row in reversed(rows)
    ]


def test_coinbase_named_fields_newest_first(recorded):
    answer = recorded("coinbase/advanced_trade_candles_ONE_HOUR.json")
    rows = answer["candles"]
    candles = fetch("coinbase", answer, [int(row["start"]) for row in rows])
    names = ("open", "high", "low", "close", "volume")
    assert rows_of(candles) == [
        [int(row["start"]), *(float(row[name]) for name in names)] for row in reversed(rows)
    ]


def test_upbit_stamps_by_its_naive_utc_text(recorded):
    [row] = answer = recorded("upbit/candles_minutes_60_USDT-BTC.json")
    opened = datetime.fromisoformat(row["candle_date_time_utc"]).replace(tzinfo=UTC).timestamp()
    names = (
        "opening_price",
        "high_price",
        "low_price",
        "trade_price",
        "candle_acc_trade_volume",
    )
    assert rows_of(fetch("upbit", answer, [int(opened)])) == [
        [int(opened), *(float(row[name]) for name in names)]
    ]
    # The same candle while it was still forming, by the recording's own last trade.
    assert len(fetch("upbit", answer, [int(opened)], now_s=int(row["timestamp"]) // 1000)) == 0


@pytest.mark.parametrize(
    ("venue", "name", "count"),
    [
        ("kraken", "kraken/ohlc_1m_721_rows.json.gz", 721),
        ("kraken", "kraken/ohlc_1m_XXBTZUSD.json", None),
        ("upbit", "upbit/candles_minutes_1_KRW-BTC.json", 40),
        ("upbit", "upbit/candles_seconds.json", 1),
        ("coinbaseexchange", "coinbase/exchange_candles_3600_BTC-USDT.json", 1),
    ],
)
def test_other_recordings_are_sound_candles_for_ccxt(recorded, venue, name, count):
    import ccxt

    answer = recorded(name)
    if venue == "kraken":
        [answer] = [rows for pair, rows in answer["result"].items() if pair != "last"]
    parsed = getattr(ccxt, venue)().parse_ohlcvs(answer)
    assert count in {None, len(parsed)}
    assert [row[0] for row in parsed] == sorted({row[0] for row in parsed})
    for _, open_, high, low, close, volume in parsed:
        assert low <= min(open_, close) <= max(open_, close) <= high
        assert volume >= 0
