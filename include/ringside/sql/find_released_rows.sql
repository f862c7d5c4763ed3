-- Rows of fetched batches that are the same candle, value for value, as one a person has released.
-- Parameter: :batch_ids (text array).
-- Grain: one row per fetched row; the latest release speaks.
SELECT DISTINCT ON (r.batch_id, r.row_number)
    r.batch_id,
    r.row_number,
    s.released_by,
    s.reason
FROM raw_candles AS r
INNER JOIN quarantined_candles AS q
    ON q.symbol = r.symbol
    AND q.open_time = r.open_time
    AND q.venue = r.venue
    AND (q.open, q.high, q.low, q.close, q.volume)
        IS NOT DISTINCT FROM (r.open, r.high, r.low, r.close, r.volume)
INNER JOIN releases AS s
    ON s.batch_id = q.batch_id
    AND s.row_number = q.row_number
WHERE r.batch_id = ANY(:batch_ids)
    AND r.batch_id <> q.batch_id
ORDER BY
    r.batch_id,
    r.row_number,
    s.released_at DESC
