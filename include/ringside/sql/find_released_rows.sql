-- Rows of fetched batches that are the same candle, or the same auxiliary value, number for number,
-- as one a person has released.
-- Parameter: :batch_ids (text array).
-- Grain: one row per fetched row; the latest release speaks.
WITH alike AS (
    SELECT
        r.batch_id,
        r.row_number,
        q.batch_id AS old_batch_id,
        q.row_number AS old_row_number
    FROM raw_candles AS r
    INNER JOIN quarantined_candles AS q
        ON q.symbol = r.symbol
        AND q.open_time = r.open_time
        AND q.venue = r.venue
        AND (q.open, q.high, q.low, q.close, q.volume)
            IS NOT DISTINCT FROM (r.open, r.high, r.low, r.close, r.volume)
    WHERE r.batch_id = ANY(:batch_ids)
    UNION ALL
    SELECT
        r.batch_id,
        r.row_number,
        q.batch_id,
        q.row_number
    FROM raw_observations AS r
    INNER JOIN quarantined_observations AS q
        ON q.series = r.series
        AND q.time = r.time
        AND q.venue = r.venue
        AND (q.known_at, q.value) IS NOT DISTINCT FROM (r.known_at, r.value)
    WHERE r.batch_id = ANY(:batch_ids)
)
SELECT DISTINCT ON (a.batch_id, a.row_number)
    a.batch_id,
    a.row_number,
    s.released_by,
    s.reason
FROM alike AS a
INNER JOIN releases AS s
    ON s.batch_id = a.old_batch_id
    AND s.row_number = a.old_row_number
WHERE a.batch_id <> a.old_batch_id
ORDER BY
    a.batch_id,
    a.row_number,
    s.released_at DESC
