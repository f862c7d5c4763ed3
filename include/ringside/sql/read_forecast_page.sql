-- A page of the record: what was forecast, and what came true once its hour was over.
-- Parameters: :symbol; :horizon, :contestant, :start (inclusive), :end (exclusive), and the row
-- that the page follows, :after_as_of and :after_id: each of these NULL for none; :newest_first;
-- :rows.
-- Grain: one row per forecast, sorted by as_of and id, downwards when :newest_first.
SELECT
    f.id,
    f.as_of,
    f.target_time,
    f.issued_at,
    f.horizon,
    f.contestant,
    f.model_version,
    f.kind,
    f.anchor_close,
    f.q05,
    f.q25,
    f.q50,
    f.q75,
    f.q95,
    s.realised_return,
    s.is_inside_50,
    s.is_inside_90
FROM forecasts AS f
LEFT JOIN scores AS s ON s.forecast_id = f.id
WHERE f.symbol = :symbol
    AND (CAST(:horizon AS integer) IS NULL OR f.horizon = :horizon)
    AND (CAST(:contestant AS text) IS NULL OR f.contestant = :contestant)
    AND (CAST(:start AS timestamptz) IS NULL OR f.as_of >= :start)
    AND (CAST(:end AS timestamptz) IS NULL OR f.as_of < :end)
    AND (
        CAST(:after_as_of AS timestamptz) IS NULL
        OR (f.as_of, f.id) > (:after_as_of, CAST(:after_id AS bigint))
    )
ORDER BY
    CASE WHEN CAST(:newest_first AS boolean) THEN f.as_of END DESC,
    CASE WHEN CAST(:newest_first AS boolean) THEN f.id END DESC,
    f.as_of,
    f.id
LIMIT :rows
