-- What was forecast in a title's name: by whoever held it at that hour, and, for hours before the
-- first reign, by :champion. Where the holder issued nothing live, its replayed forecast stands in.
-- Parameters: :symbol, :horizon, :start (exclusive), :as_of (inclusive), :champion.
-- Grain: one row per as_of, sorted; realised_return is NULL while the target hour is not over.
SELECT DISTINCT ON (f.as_of)
    f.as_of,
    f.target_time,
    f.contestant,
    f.kind = 'live' AS is_live,
    f.anchor_close,
    f.q05,
    f.q25,
    f.q50,
    f.q75,
    f.q95,
    s.realised_return
FROM forecasts AS f
LEFT JOIN scores AS s
    ON s.forecast_id = f.id
    AND f.target_time <= :as_of
LEFT JOIN LATERAL (
    SELECT
        h.contestant,
        h.model_version
    FROM title_history AS h
    WHERE h.symbol = f.symbol
        AND h.horizon = f.horizon
        AND h.held_from <= f.as_of
    ORDER BY h.held_from DESC
    LIMIT 1
) AS holder ON TRUE
WHERE f.symbol = :symbol
    AND f.horizon = :horizon
    AND f.as_of > :start
    AND f.as_of <= :as_of
    AND f.kind IN ('live', 'replayed')
    AND f.contestant = coalesce(holder.contestant, :champion)
    AND (
        f.kind = 'replayed'
        OR f.model_version = coalesce(holder.model_version, f.model_version)
    )
ORDER BY
    f.as_of,
    (f.kind = 'live') DESC,
    f.model_version DESC
