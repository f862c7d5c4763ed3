-- Count the hours of a span that need not be asked for: they have a candle, or the source was
-- asked at or after the instant given and had none.
-- Parameters: :symbol; :start, :end, :as_of (timestamptz).
-- Grain: one number.
SELECT count(*)
FROM generate_series(
    CAST(:start AS timestamptz),
    CAST(:end AS timestamptz) - interval '1 hour',
    interval '1 hour'
) AS hours (open_time)
WHERE EXISTS (
    SELECT
    FROM candles AS c
    WHERE c.symbol = :symbol
        AND c.open_time = hours.open_time
)
    OR EXISTS (
        SELECT
        FROM outage_hours AS o
        WHERE o.symbol = :symbol
            AND o.open_time = hours.open_time
            AND o.next_ask_at > :as_of
    )
