-- Forecasts whose target candle is published and had closed at :as_of, and that have no score yet
-- or one that was made from another close: the candle was revised.
-- A late forecast may have known its outcome and is never scored. A target hour without a candle
-- leaves its forecasts unscored until that candle is published.
-- Unless :is_complete, only candles of the last seven days are looked at, and those published since
-- two days before the symbol's last scoring, however old: they may be revised, or come late. A
-- publication is seen when it is committed, and bears the time at which it began.
-- Parameters: :symbols (text[]); :as_of; :targets_after, -infinity for none (timestamptz);
-- :is_complete (boolean).
-- Grain: one row per forecast, oldest first.
SELECT
    f.*,
    c.close::double precision AS target_close
FROM unnest(CAST(:symbols AS text[])) AS k (symbol)
CROSS JOIN LATERAL (
    SELECT coalesce(max(l.scored_at) - INTERVAL '2 days', '-infinity') AS published_since
    FROM scores AS l
    WHERE l.symbol = k.symbol
) AS w
INNER JOIN candles AS c
    ON c.symbol = k.symbol
    AND (
        CAST(:is_complete AS boolean)
        OR c.published_at >= w.published_since
        OR c.open_time >= CAST(:as_of AS timestamptz) - INTERVAL '7 days'
    )
    AND c.open_time > CAST(:targets_after AS timestamptz) - INTERVAL '1 hour'
    AND c.open_time <= CAST(:as_of AS timestamptz) - INTERVAL '1 hour'
INNER JOIN forecasts AS f
    ON f.symbol = c.symbol
    AND f.target_time = c.open_time + INTERVAL '1 hour'
LEFT JOIN scores AS s ON s.forecast_id = f.id
WHERE f.kind <> 'late'
    AND (s.forecast_id IS NULL OR s.target_close <> c.close::double precision)
ORDER BY f.id
