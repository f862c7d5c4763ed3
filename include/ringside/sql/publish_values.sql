-- Publish the values of one audited batch that the audit let through. A value that is published
-- already changes only when it differs and was fetched after that one was published: a batch that
-- comes late never undoes a newer one. The caller holds the lock of the series.
-- Parameter: :batch_id.
-- Grain: one row per value that is new or was corrected.
WITH refused AS (
    SELECT f.row_number
    FROM audits AS a
    CROSS JOIN LATERAL jsonb_to_recordset(a.failures) AS f (row_number integer)
    WHERE a.batch_id = :batch_id
)
INSERT INTO observations AS o (series, time, known_at, value, venue, batch_id, published_at)
SELECT r.series, r.time, r.known_at, r.value, r.venue, r.batch_id, now()
FROM raw_observations AS r
INNER JOIN audits AS a ON a.batch_id = r.batch_id
LEFT JOIN observations AS old
    ON old.series = r.series
    AND old.time = r.time
WHERE r.batch_id = :batch_id
    AND NOT a.is_refused
    AND r.row_number NOT IN (SELECT row_number FROM refused WHERE row_number IS NOT NULL)
    AND (old.series IS NULL OR old.published_at < r.ingested_at)
ON CONFLICT (series, time) DO UPDATE SET
    known_at = excluded.known_at,
    value = excluded.value,
    venue = excluded.venue,
    batch_id = excluded.batch_id,
    published_at = excluded.published_at
WHERE (o.known_at, o.value) IS DISTINCT FROM (excluded.known_at, excluded.value)
RETURNING o.time
