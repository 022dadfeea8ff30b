-- The last quote of every book before first pitch, and how many seconds before it was given; none
-- from the start on. A book that had withdrawn by then has no close. These are the quotes that the
-- settle flow takes the close from (models/evaluation/closing.py); it leaves out those that were
-- stale, too. First pitch is as last announced, and never after a word that the game had begun.
-- $1 game id, $2 from: how far back a quote may have been given.
SELECT q.book, q.market, q.line, q.price_home_over, q.price_away_under, q.occurred_at,
    extract(epoch FROM first.pitch - q.occurred_at) AS seconds_before_start, q.event_id
FROM (
    SELECT least(
        (SELECT start_time FROM game_updates
         WHERE game_id = $1 AND status <> 'suspended'
         ORDER BY occurred_at DESC, event_id DESC LIMIT 1),
        (SELECT min(occurred_at) FROM game_updates
         WHERE game_id = $1 AND status IN ('live', 'suspended', 'final')
            AND occurred_at > coalesce((
                SELECT max(occurred_at) FROM game_updates
                WHERE game_id = $1 AND status IN ('scheduled', 'postponed', 'cancelled')
            ), '-infinity'))
    ) AS pitch
) first
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (market, book) *
    FROM quotes
    WHERE game_id = $1 AND occurred_at >= $2 AND occurred_at < first.pitch
    ORDER BY market, book, occurred_at DESC, event_id DESC
) q
WHERE q.status = 'open'
ORDER BY q.market, q.book;
