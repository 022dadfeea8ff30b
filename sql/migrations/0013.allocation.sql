-- Games of a bankroll are staked together: more reasons for no stake, and what a stake rests on.
-- depends: 0007.model_jobs

-- In one statement: between two, the session that made the domain cannot set a savepoint
-- ("unprocessed inval messages", Postgres 18.4).
DO $$ BEGIN
    ALTER DOMAIN refusals DROP CONSTRAINT refusals_check;
    ALTER DOMAIN refusals ADD CONSTRAINT refusals_check CHECK (
        VALUE <@ ARRAY['locked', 'stale_odds', 'no_price', 'no_prediction', 'edge_too_small',
                       'incomplete', 'unpromoted_model', 'stopped', 'no_balance', 'ledger_silent',
                       'limit', 'book_limit', 'outweighed', 'below_minimum', 'unproven']
        AND array_position(VALUE, NULL) IS NULL);
END $$;

-- Null in what was said before stakes were sized together.
ALTER TABLE stakes
    ADD push probability,
    ADD decided moment,
    ADD balance finite CHECK (balance >= 0.0),
    ADD slate jsonb CHECK (jsonb_typeof(slate) = 'object'),
    ADD held jsonb CHECK (jsonb_typeof(held) = 'object'),
    ADD growth finite,
    ADD kkt_residual finite CHECK (kkt_residual >= 0.0);
