-- How the newest outcomes of each contestant ranked among its issued quantiles: what calibration
-- feeds on. An hour counts once: what was issued live by the newest version, else replayed.
-- Parameters: :symbols, :horizons, :contestants (arrays of equal length, one key each); :as_of;
-- :rows, how many outcomes of a key at most.
-- Grain: one row per key that has any; `ranks` holds one digit per outcome, newest first: as they are
-- found, since turning 1,440 of them round costs the server more than finding them.
SELECT
    k.symbol,
    k.horizon,
    k.contestant,
    r.ranks
FROM unnest(
    CAST(:symbols AS text[]),
    CAST(:horizons AS integer[]),
    CAST(:contestants AS text[])
) AS k (symbol, horizon, contestant)
CROSS JOIN LATERAL (
    SELECT array_to_string(ARRAY(
        SELECT newest.quantiles_below
        FROM (
            SELECT DISTINCT ON (s.target_time)
                s.target_time,
                s.quantiles_below
            FROM scores AS s
            WHERE s.symbol = k.symbol
                AND s.horizon = k.horizon
                AND s.contestant = k.contestant
                AND s.target_time <= :as_of
            ORDER BY
                s.target_time DESC,
                s.is_live DESC,
                s.model_version DESC
            LIMIT :rows
        ) AS newest
        ORDER BY newest.target_time DESC
    ), '') AS ranks
) AS r
WHERE r.ranks <> ''
