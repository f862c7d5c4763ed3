-- Forecasts without a score whose target candle is published and had closed at :as_of.
-- A late forecast may have known its outcome and is never scored. A target hour without a candle
-- leaves its forecasts unscored until that candle is published.
-- Parameters: :symbol, :as_of.
-- Grain: one row per forecast, oldest first.
SELECT
    f.id,
    f.symbol,
    f.horizon,
    f.contestant,
    f.model_version,
    f.as_of,
    f.issued_at,
    f.kind,
    f.anchor_close,
    f.sigma,
    f.q05,
    f.q25,
    f.q50,
    f.q75,
    f.q95,
    c.close::double precision AS target_close
FROM forecasts AS f
INNER JOIN candles AS c
    ON c.symbol = f.symbol
    AND c.open_time = f.target_time - INTERVAL '1 hour'
LEFT JOIN scores AS s ON s.forecast_id = f.id
WHERE f.symbol = :symbol
    AND f.target_time <= :as_of
    AND f.kind <> 'late'
    AND s.forecast_id IS NULL
ORDER BY f.id
