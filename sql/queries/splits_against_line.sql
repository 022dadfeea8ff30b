-- Each reading of the splits of a game beside the same book's price at that moment.
-- $1 game id, $2 market, $3 from: how far back a quote may have been given.
SELECT s.occurred_at, s.source, s.book, s.tickets_home_over_pct, s.handle_home_over_pct,
    s.handle_home_over_pct - s.tickets_home_over_pct AS money_less_tickets,
    q.price_home_over, q.price_away_under, q.line, q.occurred_at AS quoted_at
FROM splits s
LEFT JOIN LATERAL (
    SELECT price_home_over, price_away_under, line, occurred_at
    FROM quotes
    WHERE game_id = s.game_id AND market = s.market AND book = s.book
        AND occurred_at >= $3 AND occurred_at <= s.occurred_at
    ORDER BY occurred_at DESC, event_id DESC
    LIMIT 1
) q ON true
WHERE s.game_id = $1 AND s.market = $2
ORDER BY s.occurred_at, s.book, s.source;
