-- The hash that the next row of each symbol's chain follows.
-- Parameter: :symbols (text[]).
-- Grain: one row per symbol that has a chain.
SELECT
    k.symbol,
    f.row_hash
FROM unnest(CAST(:symbols AS text[])) AS k (symbol)
CROSS JOIN LATERAL (
    SELECT c.row_hash
    FROM forecasts AS c
    WHERE c.symbol = k.symbol
    ORDER BY c.id DESC
    LIMIT 1
) AS f
