-- Hours that lie between published candles of a symbol, have none, and are worth asking for now:
-- of each gap all hours or none, so that an answer always reaches the candles on both sides. A gap
-- waits while the source has answered without every one of its hours and some turn has not come.
-- For an auxiliary series the same of its values; a daily one is due on weekdays.
-- Parameters: :symbol (or the name of an auxiliary series); :step (interval, from one candle to the
-- next); :start (timestamptz, may be null), :as_of (timestamptz; candles that close in this span are
-- known).
-- Grain: one row per hour, oldest first.
WITH known AS (
    SELECT
        c.open_time,
        lead(c.open_time) OVER (ORDER BY c.open_time) AS next_open_time
    FROM published_times AS c
    WHERE c.symbol = :symbol
        AND c.open_time >= coalesce(CAST(:start AS timestamptz), '-infinity')
        AND c.open_time <= CAST(:as_of AS timestamptz) - CAST(:step AS interval)
),
gaps AS (
    SELECT
        k.open_time + CAST(:step AS interval) AS first_hour,
        k.next_open_time - CAST(:step AS interval) AS last_hour
    FROM known AS k
    WHERE k.next_open_time > k.open_time + CAST(:step AS interval)
),
missing AS (
    SELECT
        hours.open_time,
        bool_or(o.symbol IS NULL) OVER gap AS is_new,
        max(o.next_ask_at) OVER gap AS next_ask_at
    FROM gaps AS g
    CROSS JOIN LATERAL generate_series(
        g.first_hour, g.last_hour, CAST(:step AS interval)
    ) AS hours (open_time)
    LEFT JOIN outage_hours AS o
        ON o.symbol = :symbol
        AND o.open_time = hours.open_time
    WHERE CAST(:step AS interval) < interval '1 day'
        OR extract(isodow FROM hours.open_time) < 6
    WINDOW gap AS (PARTITION BY g.first_hour)
)
SELECT m.open_time
FROM missing AS m
WHERE m.is_new
    OR m.next_ask_at <= CAST(:as_of AS timestamptz)
ORDER BY m.open_time
