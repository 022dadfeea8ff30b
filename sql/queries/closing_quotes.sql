-- The last quote of every book before first pitch, and how many seconds before it was given; none
-- from the start on. A book that had withdrawn by then has no close.
-- $1 game id, $2 from: how far back a quote may have been given.
SELECT q.book, q.market, q.line, q.price_home_over, q.price_away_under, q.occurred_at,
    extract(epoch FROM g.start_time - q.occurred_at) AS seconds_before_start, q.event_id
FROM games g
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (market, book) *
    FROM quotes
    WHERE game_id = g.game_id AND occurred_at >= $2 AND occurred_at < g.start_time
    ORDER BY market, book, occurred_at DESC, event_id DESC
) q
WHERE g.game_id = $1 AND q.status = 'open'
ORDER BY q.market, q.book;
