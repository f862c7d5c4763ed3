-- Publish one quarantined row as it is; a candle that is there gives way. The caller holds the
-- symbol's advisory lock and has recorded the release.
-- Parameters: :batch_id, :row_number.
-- Grain: one row.
WITH released AS (
    INSERT INTO candles AS c (
        symbol, open_time, open, high, low, close, volume, venue, batch_id, published_at
    )
    SELECT symbol, open_time, open, high, low, close, volume, venue, batch_id, clock_timestamp()
    FROM quarantined_candles
    WHERE batch_id = :batch_id
        AND row_number = :row_number
    ON CONFLICT (symbol, open_time) DO UPDATE SET
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        venue = excluded.venue,
        batch_id = excluded.batch_id,
        published_at = excluded.published_at
    RETURNING c.symbol, c.open_time
)
DELETE FROM outage_hours AS o
USING released AS r
WHERE o.symbol = r.symbol
    AND o.open_time = r.open_time
