-- How many records could not be used, by reason and topic, with the newest one as an example.
-- $1 from, $2 until (exclusive), of the records' own timestamps.
SELECT reason, topic, count(*) AS letters, max(recorded_at) AS newest,
    (array_agg(detail ORDER BY recorded_at DESC, letter_id))[1] AS example
FROM dead_letters
WHERE recorded_at >= $1 AND recorded_at < $2
GROUP BY reason, topic
ORDER BY letters DESC, reason, topic;
