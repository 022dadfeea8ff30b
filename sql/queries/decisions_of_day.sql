-- The last prediction of every game and target of a day before it was locked, the stake that stood
-- then in each bankroll, and how the game ended. A stake stands until the next one, and they come
-- when they change; the word that betting is closed is none of them.
-- $1 day
SELECT g.game_id, p.target, p.model_version, p.as_of, p.line, p.probability, p.market_probability,
    s.side, s.book, s.price, s.fraction, s.amount, s.refusals, r.home_score, r.away_score
FROM games g
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (target) *
    FROM predictions
    -- What a challenger says beside the champion decides nothing.
    WHERE game_id = g.game_id AND (role = 'champion' OR share IS NOT NULL)
    ORDER BY target, "position" DESC, prediction_id DESC
) p
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (bankroll) *
    FROM stakes
    WHERE game_id = p.game_id AND market = p.target AND "position" <= p."position"
        AND NOT 'locked' = ANY (refusals)
    ORDER BY bankroll, "position" DESC, decided DESC NULLS LAST, stake_id DESC
) s ON true
LEFT JOIN LATERAL (
    SELECT home_score, away_score FROM results
    WHERE game_id = g.game_id ORDER BY occurred_at DESC, event_id DESC LIMIT 1
) r ON true
WHERE g.day = $1
ORDER BY g.game_id, p.target;
