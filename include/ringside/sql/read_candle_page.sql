-- A page of published candles with the venue each came from.
-- Parameters: :symbol; :start (inclusive) and :end (exclusive) of open times, NULL for none;
-- :newest_first; :rows.
-- Grain: one row per candle, sorted by open time, downwards when :newest_first.
SELECT
    c.open_time,
    CAST(c.open AS double precision) AS open,
    CAST(c.high AS double precision) AS high,
    CAST(c.low AS double precision) AS low,
    CAST(c.close AS double precision) AS close,
    CAST(c.volume AS double precision) AS volume,
    c.venue
FROM candles AS c
WHERE c.symbol = :symbol
    AND (CAST(:start AS timestamptz) IS NULL OR c.open_time >= :start)
    AND (CAST(:end AS timestamptz) IS NULL OR c.open_time < :end)
ORDER BY
    CASE WHEN CAST(:newest_first AS boolean) THEN c.open_time END DESC,
    c.open_time
LIMIT :rows
