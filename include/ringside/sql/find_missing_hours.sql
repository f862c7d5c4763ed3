-- Hours that lie between published candles of a symbol, have none, and are worth asking for now:
-- all but those that the source has answered without and whose next turn has not come.
-- Parameters: :symbol; :start (timestamptz, may be null), :as_of (timestamptz; candles that close
-- in this span are known).
-- Grain: one row per hour, oldest first.
WITH known AS (
    SELECT
        c.open_time,
        lead(c.open_time) OVER (ORDER BY c.open_time) AS next_open_time
    FROM candles AS c
    WHERE c.symbol = :symbol
        AND c.open_time >= coalesce(CAST(:start AS timestamptz), '-infinity')
        AND c.open_time <= CAST(:as_of AS timestamptz) - interval '1 hour'
)
SELECT hours.open_time
FROM known AS k
CROSS JOIN LATERAL generate_series(
    k.open_time + interval '1 hour',
    k.next_open_time - interval '1 hour',
    interval '1 hour'
) AS hours (open_time)
LEFT JOIN outage_hours AS o
    ON o.symbol = :symbol
    AND o.open_time = hours.open_time
WHERE k.next_open_time > k.open_time + interval '1 hour'
    AND (o.symbol IS NULL OR o.next_ask_at <= CAST(:as_of AS timestamptz))
ORDER BY hours.open_time
