-- Closing line value of every bet of a span of time, as the settle flow has worked it out
-- (models/evaluation/clv.py says how), of the newest settlement. A bet without a close stays, and
-- says why: it belongs in the denominator.
-- $1 from, $2 until (exclusive), of the bets.
SELECT f.fill_id, f.game_id, f.bankroll, f.paper, f.market, f.side, f.book, f.line, f.price,
    f.amount, f.filled_at, s.outcome, s.payout - s.amount AS profit,
    s.closing ->> 'reference' AS reference,
    (s.closing ->> 'seconds_before_start')::double precision AS seconds_before_start,
    (s.closing ->> 'line')::double precision AS closing_line,
    (s.closing ->> 'probability')::double precision AS closing_probability,
    (s.closing ->> 'probability_points')::double precision AS probability_points,
    (s.closing ->> 'price_part')::double precision AS price_part,
    (s.closing ->> 'line_part')::double precision AS line_part,
    (s.closing ->> 'expected_value')::double precision AS expected_value,
    CASE WHEN s.settlement_id IS NULL THEN 'not_settled' ELSE s.closing_missing END
        AS closing_missing
FROM fills f
LEFT JOIN LATERAL (
    SELECT * FROM settlements one
    WHERE one.fill_id = f.fill_id
        AND NOT EXISTS (SELECT FROM settlements WHERE supersedes = one.settlement_id)
) s ON true
WHERE f.filled_at >= $1 AND f.filled_at < $2
ORDER BY f.filled_at, f.fill_id;
