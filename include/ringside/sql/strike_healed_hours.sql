-- Strike the hours from the record of outages that have a candle, or a value, from one batch now.
-- Parameters: :batch_id, :symbol. The caller holds the symbol's advisory lock.
-- Grain: one row per hour that was struck.
DELETE FROM outage_hours AS o
WHERE o.symbol = :symbol
    AND EXISTS (
        SELECT
        FROM published_times AS p
        WHERE p.symbol = o.symbol
            AND p.open_time = o.open_time
            AND p.batch_id = :batch_id
    )
