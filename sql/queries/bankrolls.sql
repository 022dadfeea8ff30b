-- Every bankroll with its accounts, whether somebody has stopped it, and what is not booked. A stop
-- of `*` stops all, and each name is let go by itself (flows/steps/bankroll.py).
-- $1 bankroll, null for all of them.
SELECT b.bankroll, b.currency, b.paper, b.told_at,
    money.free + money.reserved + money.open AS balance, money.free, money.reserved, money.open,
    stop.reason IS NOT NULL AS stopped, stop.reason AS stopped_because,
    (SELECT count(*) FROM fills f WHERE f.bankroll = b.bankroll
        AND NOT EXISTS (SELECT FROM settlements s WHERE s.fill_id = f.fill_id)) AS open_bets,
    (SELECT count(*) FROM unbooked u WHERE u.bankroll = b.bankroll) AS unbooked
FROM bankrolls b
CROSS JOIN LATERAL (
    SELECT coalesce(sum(balance) FILTER (WHERE account = 'free'), 0) AS free,
        coalesce(sum(balance) FILTER (WHERE account = 'reserved'), 0) AS reserved,
        coalesce(sum(balance) FILTER (WHERE account = 'open'), 0) AS open
    FROM ledger_accounts a WHERE a.bankroll = b.bankroll
) money
LEFT JOIN LATERAL (
    SELECT min(said.reason) AS reason
    FROM (VALUES (b.bankroll::text), ('*')) named (name)
    CROSS JOIN LATERAL (
        SELECT stopped, reason FROM bankroll_updates u
        WHERE u.bankroll = named.name AND u.stopped IS NOT NULL
        ORDER BY u.occurred_at DESC, u."offset" DESC NULLS LAST, u.update_id DESC LIMIT 1
    ) said
    WHERE said.stopped
) stop ON true
WHERE $1::text IS NULL OR b.bankroll = $1
ORDER BY b.bankroll;
