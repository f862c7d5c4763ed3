-- Hours that lie between published candles of a symbol, have none, and are worth asking for again.
-- Left out: an hour that the source has answered without, in a batch that was audited a day or more
-- after the hour closed; the source never had it, or only ever had it damaged.
-- Parameters: :symbol; :start, :as_of (timestamptz; candles that close in this span are known).
-- Grain: one row per hour, oldest first.
WITH known AS (
    SELECT c.open_time
    FROM candles AS c
    WHERE c.symbol = :symbol
        AND c.open_time >= :start
        AND c.open_time <= CAST(:as_of AS timestamptz) - interval '1 hour'
),
missing AS (
    SELECT hours.open_time
    FROM generate_series(
        (SELECT min(open_time) FROM known),
        (SELECT max(open_time) FROM known),
        interval '1 hour'
    ) AS hours (open_time)
    WHERE NOT EXISTS (SELECT FROM known WHERE known.open_time = hours.open_time)
),
answers AS (
    SELECT
        a.batch_id,
        a.as_of,
        min(r.open_time) AS first_open_time,
        max(r.open_time) AS last_open_time
    FROM audits AS a
    INNER JOIN raw_candles AS r ON r.batch_id = a.batch_id
    WHERE a.symbol = :symbol
        AND a.as_of >= :start
        AND EXISTS (SELECT FROM missing)
    GROUP BY
        a.batch_id,
        a.as_of
)
SELECT m.open_time
FROM missing AS m
WHERE NOT EXISTS (
    SELECT
    FROM answers AS b
    WHERE b.as_of >= m.open_time + interval '25 hours'
        AND m.open_time BETWEEN b.first_open_time AND b.last_open_time
        AND NOT EXISTS (
            SELECT
            FROM raw_candles AS r
            LEFT JOIN quarantined_candles AS q
                ON q.batch_id = r.batch_id
                AND q.row_number = r.row_number
            WHERE r.batch_id = b.batch_id
                AND r.open_time = m.open_time
                AND q.batch_id IS NULL
        )
)
ORDER BY m.open_time
