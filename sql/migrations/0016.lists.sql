-- Lists of the API go on from a moment and an id: each has an index in that order, of everything and
-- of one game.
-- depends: 0014.ledger

CREATE INDEX quotes_listed ON quotes (game_id, occurred_at, event_id);
CREATE INDEX splits_listed ON splits (game_id, occurred_at, event_id);

CREATE INDEX predictions_listed ON predictions (as_of, prediction_id);
CREATE INDEX predictions_of_game ON predictions (game_id, as_of, prediction_id);
CREATE INDEX predictions_of_target ON predictions (target, as_of, prediction_id);
CREATE INDEX predictions_tried ON predictions (as_of) WHERE experiment IS NOT NULL;
DROP INDEX predictions_by_time;

CREATE INDEX stakes_listed ON stakes (as_of, stake_id);
CREATE INDEX stakes_of_game ON stakes (game_id, as_of, stake_id);

CREATE INDEX alerts_listed ON alerts (as_of, alert_id);
CREATE INDEX alerts_of_game ON alerts (game_id, as_of, alert_id);
CREATE INDEX alerts_of_kind ON alerts (kind, as_of, alert_id);
DROP INDEX alerts_by_kind;

CREATE INDEX fills_listed ON fills (filled_at, fill_id);
CREATE INDEX fills_of_bankroll ON fills (bankroll, filled_at, fill_id);
DROP INDEX fills_by_time;

CREATE INDEX settlements_listed ON settlements (settled_at, settlement_id);
CREATE INDEX settlements_of_game ON settlements (game_id, settled_at, settlement_id);
CREATE INDEX settlements_of_bankroll ON settlements (bankroll, settled_at, settlement_id);
DROP INDEX settlements_by_time;

CREATE INDEX dead_letters_listed ON dead_letters (recorded_at, letter_id);
CREATE INDEX dead_letters_of_reason ON dead_letters (reason, recorded_at, letter_id);
DROP INDEX dead_letters_by_time;
