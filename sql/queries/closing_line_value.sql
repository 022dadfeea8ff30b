-- What closing line value is made of: every bet of a span of time beside its own book's last price
-- on the same market, side and line before first pitch. A bet without a close stays, with nulls: it
-- belongs in the denominator.
-- $1 from, $2 until (exclusive), of the bets.
SELECT s.stake_id, s.game_id, s.market, s.side, s.book, s.line, s.price, s.as_of, s.amount,
    CASE WHEN s.side IN ('home', 'over') THEN c.price_home_over ELSE c.price_away_under END
        AS closing_price,
    c.price_home_over AS closing_home_over, c.price_away_under AS closing_away_under,
    c.line AS closing_line,
    extract(epoch FROM g.start_time - c.occurred_at) AS seconds_before_start
FROM stakes s
JOIN games g USING (game_id)
LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT status, price_home_over, price_away_under, line, occurred_at
        FROM quotes
        WHERE game_id = s.game_id AND market = s.market AND book = s.book
            AND occurred_at >= s.as_of - interval '2 days' AND occurred_at < g.start_time
        ORDER BY occurred_at DESC, event_id DESC
        LIMIT 1
    ) last
    WHERE last.status = 'open'
) c ON true
WHERE s.fraction > 0.0 AND s.as_of >= $1 AND s.as_of < $2
ORDER BY s.as_of, s.stake_id;
