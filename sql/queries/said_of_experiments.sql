-- The last prediction of each game and model in its part before each decision time, with the result:
-- what models/evaluation/said.py looks at, and not all that was said between.
-- Of all experiments. $1 from, of the predictions; $2 minutes before first pitch, the decision times.
SELECT DISTINCT ON (p.game_id, p.target, p.model_version, p.role, p.experiment, p.share, due.reached)
    p.game_id, p.target, p.model_version, p.position, p.as_of, p.start_time, p.line,
    p.market_probability, p.probability, p.simulated, p.role, p.experiment, p.share,
    p.completeness, r.occurred_at, r.home_score, r.away_score
FROM predictions p
CROSS JOIN LATERAL (
    SELECT count(*) AS reached FROM unnest($2::integer[]) minutes
    WHERE p.start_time - p.as_of >= minutes * interval '1 minute'
) due
LEFT JOIN LATERAL (
    SELECT occurred_at, home_score, away_score FROM results
    WHERE game_id = p.game_id ORDER BY occurred_at DESC, event_id DESC LIMIT 1
) r ON true
WHERE p.experiment IS NOT NULL AND p.as_of >= $1 AND due.reached > 0
ORDER BY p.game_id, p.target, p.model_version, p.role, p.experiment, p.share, due.reached,
    p.position DESC, p.prediction_id DESC;
