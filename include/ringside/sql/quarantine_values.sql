-- Put the auxiliary values that the audit refused into quarantine, each with every reason; all of them when
-- the batch was refused as a whole (reasons without a row number). The batch's earlier quarantine
-- is gone already. `quarantined_at` is the audit's time, so that a re-run leaves the same rows.
-- Parameter: :batch_id.
-- Grain: one row per refused row of the batch.
INSERT INTO quarantined_observations (
    batch_id, row_number, series, time, known_at, value, venue, reasons, quarantined_at
)
SELECT
    r.batch_id, r.row_number, r.series, r.time, r.known_at, r.value, r.venue,
    coalesce(of_row.reasons, '[]') || coalesce(of_batch.reasons, '[]'),
    a.audited_at
FROM raw_observations AS r
INNER JOIN audits AS a ON a.batch_id = r.batch_id
LEFT JOIN refusal_reasons AS of_batch
    ON of_batch.batch_id = r.batch_id
    AND of_batch.row_number IS NULL
LEFT JOIN refusal_reasons AS of_row
    ON of_row.batch_id = r.batch_id
    AND of_row.row_number = r.row_number
WHERE r.batch_id = :batch_id
    AND (a.is_refused OR of_row.row_number IS NOT NULL)
