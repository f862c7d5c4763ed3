-- The published candles of many symbols in one window.
-- Parameters: :symbols (text[]); :start (inclusive) and :end (exclusive), of the open time.
-- Grain: one row per symbol and candle, sorted by both; open_time in seconds since 1970.
SELECT
    c.symbol,
    extract(epoch FROM c.open_time)::bigint AS open_time,
    c.open::double precision,
    c.high::double precision,
    c.low::double precision,
    c.close::double precision,
    c.volume::double precision
FROM candles AS c
WHERE c.symbol = ANY(:symbols)
    AND c.open_time >= :start
    AND c.open_time < :end
ORDER BY
    c.symbol,
    c.open_time
