-- The bookings of a bankroll, newest first: what each moved, and the balance behind it.
-- $1 bankroll, $2 from, $3 until (exclusive), of event time; $4 only numbers below, or null;
-- $5 how many.
SELECT number, transaction_id, kind, at, free, reserved, open, balance,
    fill_id, stake_id, settlement_id, reason, source
FROM (
    SELECT t.number, t.transaction_id, t.kind, t.at, e.free, e.reserved, e.open,
        sum(e.free + e.reserved + e.open) OVER (ORDER BY t.number) AS balance,
        t.fill_id, t.stake_id, t.settlement_id, t.reason, t.source
    FROM (
        SELECT transaction_id,
            coalesce(sum(amount) FILTER (WHERE account = 'free'), 0) AS free,
            coalesce(sum(amount) FILTER (WHERE account = 'reserved'), 0) AS reserved,
            coalesce(sum(amount) FILTER (WHERE account = 'open'), 0) AS open
        FROM ledger_entries WHERE bankroll = $1 GROUP BY transaction_id
    ) e
    JOIN ledger_transactions t ON t.transaction_id = e.transaction_id
) booked
WHERE at >= $2 AND at < $3 AND ($4::bigint IS NULL OR number < $4)
ORDER BY number DESC
LIMIT $5;
