-- A page of what was forecast in a title's name: by whoever held it at that hour, and, for hours
-- before the first reign, by the holder of the first. Where the holder issued nothing live, what it
-- issued late or replayed stands in.
-- Parameters: :symbol; :horizon, :start (inclusive), :end (exclusive), and the row that the page
-- follows, :after_as_of and :after_id: each of these NULL for none; :newest_first; :rows.
-- Grain: one row per horizon and as_of, sorted by as_of and id, downwards when :newest_first.
WITH told AS (
    SELECT DISTINCT ON (f.horizon, f.as_of)
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
        f.q95
    FROM forecasts AS f
    INNER JOIN LATERAL (
        SELECT
            h.contestant,
            h.model_version,
            h.held_from
        FROM title_history AS h
        WHERE h.symbol = f.symbol
            AND h.horizon = f.horizon
        ORDER BY
            (h.held_from <= f.as_of) DESC,
            CASE WHEN h.held_from <= f.as_of THEN h.held_from END DESC,
            h.held_from
        LIMIT 1
    ) AS holder ON TRUE
    WHERE f.symbol = :symbol
        AND (CAST(:horizon AS integer) IS NULL OR f.horizon = :horizon)
        AND (CAST(:start AS timestamptz) IS NULL OR f.as_of >= :start)
        AND (CAST(:end AS timestamptz) IS NULL OR f.as_of < :end)
        AND f.contestant = holder.contestant
        AND (
            f.kind = 'replayed'
            OR holder.held_from > f.as_of
            OR f.model_version = holder.model_version
        )
    ORDER BY
        f.horizon,
        f.as_of,
        (f.kind = 'live') DESC,
        (f.kind = 'late') DESC,
        f.model_version DESC
)
SELECT
    t.*,
    s.realised_return,
    s.is_inside_50,
    s.is_inside_90
FROM told AS t
LEFT JOIN scores AS s ON s.forecast_id = t.id
WHERE CAST(:after_as_of AS timestamptz) IS NULL
    OR (t.as_of, t.id) > (:after_as_of, CAST(:after_id AS bigint))
ORDER BY
    CASE WHEN CAST(:newest_first AS boolean) THEN t.as_of END DESC,
    CASE WHEN CAST(:newest_first AS boolean) THEN t.id END DESC,
    t.as_of,
    t.id
LIMIT :rows
