-- Hours whose published candle is a fallback venue's and that the authority may still have: those it
-- has not been asked for a day or more after they closed.
-- Parameters: :symbol, :authority (venue); :as_of (timestamptz; only candles closed then).
-- Grain: one row per hour, oldest first.
SELECT c.open_time
FROM candles AS c
WHERE c.symbol = :symbol
    AND c.venue <> :authority
    AND c.open_time <= CAST(:as_of AS timestamptz) - interval '1 hour'
    AND NOT EXISTS (
        SELECT
        FROM fetches AS f
        WHERE f.symbol = c.symbol
            AND f.venue = :authority
            AND f.start_time <= c.open_time
            AND f.end_time > c.open_time
            AND f.as_of >= c.open_time + interval '25 hours'
    )
ORDER BY c.open_time
