-- Words and ranges, once each. tests/integration/test_schema_equal.py holds them equal to the
-- pydantic models: what one takes the other takes. A column that refers to another table is plain
-- text: what it refers to has been looked at.

CREATE DOMAIN game_ref AS text COLLATE "C"
    CHECK (VALUE ~ '^[a-z]{2,8}-[0-9]{4}-[0-9]{2}-[0-9]{2}-[A-Z0-9]{2,4}-[A-Z0-9]{2,4}-[0-9]$');
CREATE DOMAIN event_ref AS text COLLATE "C" CHECK (char_length(VALUE) BETWEEN 1 AND 128);
CREATE DOMAIN short_name AS text COLLATE "C" CHECK (char_length(VALUE) BETWEEN 1 AND 64);

-- Outside it, a number was seconds or milliseconds by mistake.
CREATE DOMAIN moment AS timestamptz
    CHECK (VALUE BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00');

CREATE DOMAIN finite AS double precision
    CHECK (VALUE > '-Infinity' AND VALUE < 'Infinity');
CREATE DOMAIN probability AS double precision CHECK (VALUE BETWEEN 0.0 AND 1.0);
CREATE DOMAIN percentage AS double precision CHECK (VALUE BETWEEN 0.0 AND 100.0);
CREATE DOMAIN quoted_price AS double precision CHECK (VALUE > 1.0 AND VALUE <= 1001.0);
CREATE DOMAIN decimal_price AS double precision CHECK (VALUE > 1.0 AND VALUE < 'Infinity');
CREATE DOMAIN quoted_line AS double precision CHECK (VALUE BETWEEN -50.0 AND 100.0);
CREATE DOMAIN runs AS integer CHECK (VALUE BETWEEN 0 AND 60);
CREATE DOMAIN cash AS numeric(20, 8);

CREATE DOMAIN market AS text CHECK (VALUE IN ('moneyline', 'run_line', 'total'));
CREATE DOMAIN side AS text CHECK (VALUE IN ('home', 'away', 'over', 'under'));
CREATE DOMAIN target AS text CHECK (VALUE IN ('moneyline', 'total', 'runs', 'margin'));
CREATE DOMAIN quote_status AS text CHECK (VALUE IN ('open', 'withdrawn'));
CREATE DOMAIN game_status AS text
    CHECK (VALUE IN ('scheduled', 'live', 'final', 'postponed', 'suspended', 'cancelled'));
CREATE DOMAIN alert_kind AS text
    CHECK (VALUE IN ('locked', 'unlocked', 'steam', 'reverse_line', 'line_freeze', 'arbitrage',
                     'leader_move', 'model_refused'));
CREATE DOMAIN refusals AS text[]
    CHECK (VALUE <@ ARRAY['locked', 'stale_odds', 'no_price', 'no_prediction', 'edge_too_small',
                          'incomplete', 'unpromoted_model']
           AND array_position(VALUE, NULL) IS NULL);
