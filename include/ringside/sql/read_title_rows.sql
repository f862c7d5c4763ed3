-- Every scored forecast of one title that the gate may look at: all contestants, all versions.
-- A late forecast may have known its outcome and never counts.
-- Parameters: :symbol, :horizon, :start (inclusive), :as_of (targets closed by then).
-- Grain: one row per contestant, model_version and as_of, sorted by all three.
SELECT
    f.contestant,
    f.model_version,
    f.as_of,
    f.target_time,
    f.kind = 'live' AS is_live,
    f.sigma,
    f.q05,
    f.q25,
    f.q50,
    f.q75,
    f.q95,
    s.realised_return
FROM forecasts AS f
INNER JOIN scores AS s ON s.forecast_id = f.id
WHERE f.symbol = :symbol
    AND f.horizon = :horizon
    AND f.as_of >= :start
    AND f.target_time <= :as_of
    AND f.kind IN ('live', 'replayed')
ORDER BY
    f.contestant,
    f.model_version,
    f.as_of
