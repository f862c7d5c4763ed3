-- The out-of-sample losses of every contestant for one title, as known at :as_of.
-- An hour counts once per contestant: the champion's own version first, then what was issued live
-- by the newest version, then what was replayed. A late forecast may have known its outcome and
-- never counts.
-- Parameters: :symbol, :horizon, :as_of, :champion, :champion_version.
-- Grain: one row per contestant and as_of, sorted by both.
SELECT DISTINCT ON (f.contestant, f.as_of)
    f.contestant,
    f.as_of,
    s.scaled_loss,
    f.kind = 'live' AS is_live
FROM forecasts AS f
INNER JOIN scores AS s ON s.forecast_id = f.id
WHERE f.symbol = :symbol
    AND f.horizon = :horizon
    AND f.target_time <= :as_of
    AND f.kind IN ('live', 'replayed')
    AND s.scaled_loss < 'Infinity'
ORDER BY
    f.contestant,
    f.as_of,
    (f.kind = 'live' AND f.contestant = :champion AND f.model_version = :champion_version) DESC,
    (f.kind = 'live') DESC,
    f.model_version DESC
