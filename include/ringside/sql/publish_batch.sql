-- Publish the rows of one audited batch that the audit let through. A candle that is published
-- already changes only when a value differs and the row was fetched after it was published: a
-- batch that comes late never undoes a newer one. A fallback venue fills hours and never replaces a
-- candle of a venue named before it; that venue replaces it. The caller holds the symbol's lock.
-- Parameter: :batch_id.
-- Grain: one row of counts; `unchanged` includes rows that came too late.
WITH refused AS (
    SELECT f.row_number
    FROM audits AS a
    CROSS JOIN LATERAL jsonb_to_recordset(a.failures) AS f (row_number integer)
    WHERE a.batch_id = :batch_id
),
ranks AS (
    SELECT
        v.venue,
        v.place
    FROM fetches AS f
    CROSS JOIN LATERAL jsonb_array_elements_text(f.venues) WITH ORDINALITY AS v (venue, place)
    WHERE f.batch_id = :batch_id
),
passed AS (
    SELECT
        r.symbol, r.open_time, r.open, r.high, r.low, r.close, r.volume, r.venue,
        c.symbol IS NULL AS is_new
    FROM raw_candles AS r
    INNER JOIN audits AS a ON a.batch_id = r.batch_id
    LEFT JOIN candles AS c
        ON c.symbol = r.symbol
        AND c.open_time = r.open_time
    WHERE r.batch_id = :batch_id
        AND NOT a.is_refused
        AND r.row_number NOT IN (SELECT row_number FROM refused WHERE row_number IS NOT NULL)
        AND (
            c.symbol IS NULL
            OR (
                c.published_at < r.ingested_at
                AND coalesce((SELECT place FROM ranks WHERE venue = r.venue), 99)
                    <= coalesce((SELECT place FROM ranks WHERE venue = c.venue), 99)
            )
        )
),
-- Under the lock nobody else adds a candle; ON CONFLICT would look each of them up once more.
added AS (
    INSERT INTO candles (
        symbol, open_time, open, high, low, close, volume, venue, batch_id, published_at
    )
    SELECT symbol, open_time, open, high, low, close, volume, venue, :batch_id, now()
    FROM passed
    WHERE is_new
    RETURNING 1
),
revised AS (
    UPDATE candles AS c
    SET
        open = p.open,
        high = p.high,
        low = p.low,
        close = p.close,
        volume = p.volume,
        venue = p.venue,
        batch_id = :batch_id,
        published_at = now()
    FROM passed AS p
    WHERE NOT p.is_new
        AND c.symbol = p.symbol
        AND c.open_time = p.open_time
        AND (c.open, c.high, c.low, c.close, c.volume, c.venue)
            IS DISTINCT FROM (p.open, p.high, p.low, p.close, p.volume, p.venue)
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM added) AS published,
    (SELECT count(*) FROM revised) AS revised
