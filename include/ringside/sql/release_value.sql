-- Publish one quarantined value of an auxiliary series as it is; a value that is there gives way.
-- The caller holds the advisory lock of the series and has recorded the release.
-- Parameters: :batch_id, :row_number.
-- Grain: one row.
WITH released AS (
    INSERT INTO observations AS o (series, time, known_at, value, venue, batch_id, published_at)
    SELECT series, time, known_at, value, venue, batch_id, clock_timestamp()
    FROM quarantined_observations
    WHERE batch_id = :batch_id
        AND row_number = :row_number
    ON CONFLICT (series, time) DO UPDATE SET
        known_at = excluded.known_at,
        value = excluded.value,
        venue = excluded.venue,
        batch_id = excluded.batch_id,
        published_at = excluded.published_at
    RETURNING o.series, o.time
)
DELETE FROM outage_hours AS o
USING released AS r
WHERE o.symbol = r.series
    AND o.open_time = r.time
