-- Sums over the scored hours of each day, for each contestant beside both baselines.
-- A day is that of the target candle in UTC. An hour counts once per contestant: what was issued
-- live by the newest version, else replayed.
-- Parameters: :symbols (text[]); :start, the first day (date).
-- Grain: one row per symbol, horizon, contestant and day, sorted by these. `own_p`, `base_p` and
-- `own_e`, `base_e` are sums over the hours shared with persistence and persistence_ewma.
WITH counted AS (
    SELECT DISTINCT ON (s.symbol, s.horizon, s.contestant, s.target_time)
        s.symbol,
        s.horizon,
        s.contestant,
        s.target_time,
        s.is_live,
        s.scaled_loss,
        s.abs_error,
        s.is_inside_50,
        s.is_inside_90
    FROM scores AS s
    WHERE s.symbol = ANY(:symbols)
        AND s.target_time > CAST(:start AS date)::timestamp AT TIME ZONE 'UTC'
        AND s.scaled_loss < 'Infinity'
    ORDER BY
        s.symbol,
        s.horizon,
        s.contestant,
        s.target_time,
        s.is_live DESC,
        s.model_version DESC
)
SELECT
    o.symbol,
    o.horizon,
    o.contestant,
    ((o.target_time - INTERVAL '1 hour') AT TIME ZONE 'UTC')::date AS day,
    count(*) AS hours,
    count(*) FILTER (WHERE o.is_live) AS live_hours,
    sum(o.scaled_loss ORDER BY o.target_time) AS loss,
    sum(o.abs_error ORDER BY o.target_time) AS abs_error,
    count(*) FILTER (WHERE o.is_inside_50) AS inside_50,
    count(*) FILTER (WHERE o.is_inside_90) AS inside_90,
    count(p.scaled_loss) AS shared_p,
    sum(o.scaled_loss ORDER BY o.target_time) FILTER (WHERE p.scaled_loss IS NOT NULL) AS own_p,
    sum(p.scaled_loss ORDER BY o.target_time) AS base_p,
    count(e.scaled_loss) AS shared_e,
    sum(o.scaled_loss ORDER BY o.target_time) FILTER (WHERE e.scaled_loss IS NOT NULL) AS own_e,
    sum(e.scaled_loss ORDER BY o.target_time) AS base_e
FROM counted AS o
LEFT JOIN counted AS p
    ON p.symbol = o.symbol
    AND p.horizon = o.horizon
    AND p.target_time = o.target_time
    AND p.contestant = 'persistence'
LEFT JOIN counted AS e
    ON e.symbol = o.symbol
    AND e.horizon = o.horizon
    AND e.target_time = o.target_time
    AND e.contestant = 'persistence_ewma'
GROUP BY
    o.symbol,
    o.horizon,
    o.contestant,
    day
ORDER BY
    o.symbol,
    o.horizon,
    o.contestant,
    day
