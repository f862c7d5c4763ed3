-- Record the hours of one fetch that are still without a published candle, between candles that
-- are known: the source was asked and has none (`absent`), or only one that the audit refused.
-- The next turn comes after as long as the hour is old, at least 1 hour and at most 7 days, so that
-- an hour is asked for ever more rarely; after 1 hour when the answer held nothing on one of the two
-- sides and may have been cut short. Running it again, or two fetches in any order, leaves the same.
-- For an auxiliary series the same of its values; a daily one is due on weekdays.
-- Parameters: :batch_id; :step (interval, from one candle to the next). The caller holds the symbol's
-- advisory lock, and has published the batch.
-- Grain: one row per hour without a candle.
INSERT INTO outage_hours AS o (
    symbol, open_time, venue, reason, first_asked_at, last_asked_at, next_ask_at
)
WITH answer AS (
    SELECT
        f.*,
        date_trunc('hour', f.as_of) AS closed_at,
        min(r.open_time) AS first_row,
        max(r.open_time) AS last_row
    FROM fetches AS f
    LEFT JOIN fetched_times AS r ON r.batch_id = f.batch_id
    WHERE f.batch_id = :batch_id
    GROUP BY f.batch_id
)
SELECT
    a.symbol,
    hours.open_time,
    a.venue,
    CASE WHEN EXISTS (
        SELECT
        FROM fetched_times AS r
        WHERE r.batch_id = a.batch_id
            AND r.open_time = hours.open_time
    ) THEN 'refused' ELSE 'absent' END,
    a.as_of,
    a.as_of,
    a.closed_at + CASE
        WHEN hours.open_time BETWEEN a.first_row AND a.last_row THEN greatest(
            interval '1 hour',
            least(a.closed_at - hours.open_time - interval '1 hour', interval '7 days')
        )
        ELSE interval '1 hour'
    END
FROM answer AS a
CROSS JOIN LATERAL generate_series(
    greatest(
        a.start_time,
        (SELECT min(open_time) FROM published_times WHERE symbol = a.symbol)
    ),
    least(
        a.end_time - CAST(:step AS interval),
        (SELECT max(open_time) FROM published_times WHERE symbol = a.symbol)
    ),
    CAST(:step AS interval)
) AS hours (open_time)
WHERE NOT EXISTS (
    SELECT
    FROM published_times AS c
    WHERE c.symbol = a.symbol
        AND c.open_time = hours.open_time
)
    AND (
        CAST(:step AS interval) < interval '1 day'
        OR extract(isodow FROM hours.open_time) < 6
    )
ON CONFLICT (symbol, open_time) DO UPDATE SET
    venue = CASE
        WHEN excluded.last_asked_at > o.last_asked_at THEN excluded.venue ELSE o.venue
    END,
    reason = CASE
        WHEN excluded.last_asked_at > o.last_asked_at THEN excluded.reason ELSE o.reason
    END,
    first_asked_at = least(o.first_asked_at, excluded.first_asked_at),
    last_asked_at = greatest(o.last_asked_at, excluded.last_asked_at),
    next_ask_at = greatest(o.next_ask_at, excluded.next_ask_at)
