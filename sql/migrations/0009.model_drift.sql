-- A kind of alert, told by `steamline run monitor`.
-- depends: 0008.arrival

-- One statement: between the two, Postgres 18 lets no savepoint be set.
DO $$
BEGIN
    ALTER DOMAIN alert_kind DROP CONSTRAINT alert_kind_check;
    ALTER DOMAIN alert_kind ADD CONSTRAINT alert_kind_check CHECK (
        VALUE IN ('locked', 'unlocked', 'steam', 'reverse_line', 'line_freeze', 'arbitrage',
                  'leader_move', 'model_refused', 'model_drift'));
END
$$;
