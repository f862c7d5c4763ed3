-- Batches whose audit lasts whatever its age: the newest of each series, and those with rows in
-- quarantine.
-- Parameters: none.
-- Grain: one row per batch.
(
    SELECT DISTINCT ON (a.symbol) a.batch_id
    FROM audits AS a
    ORDER BY
        a.symbol,
        a.as_of DESC,
        a.batch_id DESC
)
UNION
SELECT q.batch_id
FROM quarantined_candles AS q
UNION
SELECT v.batch_id
FROM quarantined_observations AS v
