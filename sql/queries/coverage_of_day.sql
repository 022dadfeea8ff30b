-- What there is of every game of a day: books and quotes by market, splits, a result.
-- $1 day, $2 from: how far back quotes may have been given.
SELECT g.game_id, g.start_time, g.status,
    q.market, q.books, q.quotes, q.first_quote, q.last_quote,
    (SELECT count(*) FROM splits WHERE splits.game_id = g.game_id) AS splits,
    EXISTS (SELECT FROM results WHERE results.game_id = g.game_id) AS has_result
FROM games g
LEFT JOIN LATERAL (
    SELECT market, count(DISTINCT book) AS books, count(*) AS quotes,
        min(occurred_at) AS first_quote, max(occurred_at) AS last_quote
    FROM quotes
    WHERE game_id = g.game_id AND occurred_at >= $2
    GROUP BY market
) q ON true
WHERE g.day = $1
ORDER BY g.game_id, q.market;
