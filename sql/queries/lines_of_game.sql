-- Every price of one market of a game over time, as each book quoted it.
-- $1 game id, $2 market, $3 from, $4 until (exclusive): the span names the partitions to look in.
SELECT occurred_at, book, status, price_home_over, price_away_under, line, event_id
FROM quotes
WHERE game_id = $1 AND market = $2 AND occurred_at >= $3 AND occurred_at < $4
ORDER BY occurred_at, book, event_id;
