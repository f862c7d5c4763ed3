-- Put the rows that the audit refused into quarantine, each with every reason; all rows when the
-- batch was refused as a whole (a failure without a row number). The batch's earlier quarantine
-- is gone already. `quarantined_at` is the audit's time, so that a re-run leaves the same rows.
-- Parameter: :batch_id.
-- Grain: one row per refused row of the batch.
WITH findings AS (
    SELECT
        f.row_number,
        jsonb_build_object('expectation', f.expectation, 'reason', f.reason) AS finding,
        f.position
    FROM audits AS a
    CROSS JOIN LATERAL ROWS FROM (
        jsonb_to_recordset(a.failures) AS (row_number integer, expectation text, reason text)
    ) WITH ORDINALITY AS f (row_number, expectation, reason, position)
    WHERE a.batch_id = :batch_id
),
of_batch AS (
    SELECT jsonb_agg(finding ORDER BY position) AS reasons
    FROM findings
    WHERE row_number IS NULL
),
of_row AS (
    SELECT
        row_number,
        jsonb_agg(finding ORDER BY position) AS reasons
    FROM findings
    WHERE row_number IS NOT NULL
    GROUP BY row_number
)
INSERT INTO quarantined_candles (
    batch_id, row_number, symbol, venue, open_time,
    open, high, low, close, volume, reasons, quarantined_at
)
SELECT
    r.batch_id, r.row_number, r.symbol, r.venue, r.open_time,
    r.open, r.high, r.low, r.close, r.volume,
    coalesce(of_row.reasons, '[]') || coalesce(of_batch.reasons, '[]'),
    a.audited_at
FROM raw_candles AS r
INNER JOIN audits AS a ON a.batch_id = r.batch_id
CROSS JOIN of_batch
LEFT JOIN of_row ON of_row.row_number = r.row_number
WHERE r.batch_id = :batch_id
    AND (a.is_refused OR of_row.row_number IS NOT NULL)
