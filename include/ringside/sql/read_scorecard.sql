-- How well each contestant of one title forecast, on the hours that all of them have in common.
-- An hour counts once per contestant: what was issued live by the newest version, else replayed.
-- Parameters: :symbol, :horizon, :as_of.
-- Grain: one row per contestant; widths are of log returns, in units of the hour's sigma.
WITH scored AS (
    SELECT DISTINCT ON (f.contestant, f.as_of)
        f.contestant,
        f.as_of,
        f.kind,
        s.scaled_loss,
        s.abs_error,
        s.is_inside_50,
        s.is_inside_90,
        (f.q75 - f.q25) / f.sigma AS width_50,
        (f.q95 - f.q05) / f.sigma AS width_90
    FROM forecasts AS f
    INNER JOIN scores AS s ON s.forecast_id = f.id
    WHERE f.symbol = :symbol
        AND f.horizon = :horizon
        AND f.target_time <= :as_of
        AND f.kind IN ('live', 'replayed')
        AND s.scaled_loss < 'Infinity'
        AND f.sigma > 0
    ORDER BY
        f.contestant,
        f.as_of,
        (f.kind = 'live') DESC,
        f.model_version DESC
),
shared AS (
    SELECT as_of
    FROM scored
    GROUP BY as_of
    HAVING count(*) = (SELECT count(DISTINCT contestant) FROM scored)
)
SELECT
    s.contestant,
    count(*) AS hours,
    count(*) FILTER (WHERE s.kind = 'live') AS live_hours,
    avg(s.scaled_loss) AS scaled_loss,
    avg(s.abs_error) AS abs_error,
    avg(s.is_inside_50::integer) AS inside_50_frac,
    avg(s.is_inside_90::integer) AS inside_90_frac,
    avg(s.width_50) AS width_50,
    avg(s.width_90) AS width_90
FROM scored AS s
INNER JOIN shared AS h ON h.as_of = s.as_of
GROUP BY s.contestant
ORDER BY
    avg(s.scaled_loss),
    s.contestant
