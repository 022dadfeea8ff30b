-- Models that have not passed the gate, and models that a worker refuses to take.
-- depends: 0006.roles

ALTER DOMAIN alert_kind DROP CONSTRAINT alert_kind_check;
ALTER DOMAIN alert_kind ADD CONSTRAINT alert_kind_check
    CHECK (VALUE IN ('locked', 'unlocked', 'steam', 'reverse_line', 'line_freeze', 'arbitrage',
                     'leader_move', 'model_refused'));

ALTER DOMAIN refusals DROP CONSTRAINT refusals_check;
ALTER DOMAIN refusals ADD CONSTRAINT refusals_check
    CHECK (VALUE <@ ARRAY['locked', 'stale_odds', 'no_price', 'no_prediction', 'edge_too_small',
                          'incomplete', 'unpromoted_model']
           AND array_position(VALUE, NULL) IS NULL);

ALTER TABLE stakes ADD COLUMN paper boolean NOT NULL DEFAULT false;
