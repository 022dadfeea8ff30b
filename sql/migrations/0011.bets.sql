-- Bets that were made, how they were graded, and what was said of bankrolls: as the topics have it.
-- A settlement is of a bet, not of a piece of advice; nothing had ever written the tables that
-- said otherwise.
-- depends: 0007.model_jobs

DO $$
BEGIN
    IF EXISTS (SELECT FROM settlements) OR EXISTS (SELECT FROM ledger_transactions) THEN
        RAISE EXCEPTION 'settlements or ledger_transactions hold rows that no version of Steamline '
            'has written: move them away first';
    END IF;
END
$$;
DROP TABLE ledger_entries, ledger_transactions, settlements;
DROP DOMAIN outcome;

CREATE DOMAIN outcome AS text
    CHECK (VALUE IN ('win', 'half_win', 'push', 'half_loss', 'loss', 'void'));
CREATE DOMAIN terms AS text
    CHECK (VALUE IN ('action', 'listed', 'listed_home', 'listed_away'));

-- `stake_id` and `fill_id` refer to rows that another topic brings, perhaps later: no foreign keys.
CREATE TABLE fills (
    fill_id event_ref PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    bankroll short_name NOT NULL,
    market market NOT NULL,
    side side NOT NULL,
    book text COLLATE "C" NOT NULL REFERENCES books,
    line quoted_line,
    price quoted_price NOT NULL,
    amount cash NOT NULL CHECK (amount > 0),
    paper boolean NOT NULL,
    simulated boolean NOT NULL,
    stake_id text,
    filled_at moment NOT NULL,
    terms terms NOT NULL,
    home_starter short_name,
    away_starter short_name,
    source short_name NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CONSTRAINT side_of_market CHECK ((market = 'total') = (side IN ('over', 'under'))),
    CONSTRAINT line_of_market CHECK ((line IS NULL) = (market = 'moneyline'))
);
CREATE INDEX fills_by_game ON fills (game_id, market);
CREATE INDEX fills_by_time ON fills (filled_at);
CREATE INDEX fills_by_stake ON fills (stake_id);

CREATE TABLE settlements (
    settlement_id event_ref PRIMARY KEY,
    fill_id event_ref NOT NULL,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    bankroll short_name NOT NULL,
    market market NOT NULL,
    side side NOT NULL,
    book text COLLATE "C" NOT NULL REFERENCES books,
    line quoted_line,
    price quoted_price NOT NULL,
    amount cash NOT NULL CHECK (amount > 0),
    paper boolean NOT NULL,
    simulated boolean NOT NULL,
    stake_id text,
    outcome outcome NOT NULL,
    payout cash NOT NULL CHECK (payout >= 0),
    rule text NOT NULL,
    detail text NOT NULL,
    result_id event_ref,
    settled_at moment NOT NULL,
    -- A corrected result settles anew; the row it takes the place of stays.
    supersedes event_ref UNIQUE,
    closing jsonb CHECK (jsonb_typeof(closing) = 'object'),
    closing_missing text,
    source short_name NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CHECK (supersedes <> settlement_id),
    CONSTRAINT side_of_market CHECK ((market = 'total') = (side IN ('over', 'under'))),
    CONSTRAINT line_of_market CHECK ((line IS NULL) = (market = 'moneyline')),
    CONSTRAINT payout_of_outcome CHECK (
        CASE outcome
            WHEN 'loss' THEN payout = 0
            WHEN 'half_loss' THEN payout > 0 AND payout < amount
            WHEN 'push' THEN payout = amount
            WHEN 'void' THEN payout = amount
            ELSE payout >= amount
        END),
    -- Without a result nothing is won or lost.
    CONSTRAINT graded_by_a_result CHECK (result_id IS NOT NULL OR outcome = 'void'),
    CONSTRAINT closing_or_why_not CHECK (num_nulls(closing, closing_missing) = 1)
);
-- One first settlement a bet; each later one supersedes its predecessor, once.
CREATE UNIQUE INDEX settled_once ON settlements (fill_id) WHERE supersedes IS NULL;
CREATE INDEX settlements_by_fill ON settlements (fill_id);
CREATE INDEX settlements_by_time ON settlements (settled_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlements
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE bankroll_updates (
    update_id event_ref PRIMARY KEY,
    bankroll short_name NOT NULL,
    occurred_at moment NOT NULL,
    balance cash CHECK (balance >= 0),
    stopped boolean,
    reason text CHECK (char_length(reason) BETWEEN 1 AND 500),
    source short_name NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CONSTRAINT says_something CHECK (num_nulls(balance, stopped) < 2),
    CONSTRAINT all_have_no_balance CHECK (bankroll <> '*' OR balance IS NULL),
    CONSTRAINT a_stop_says_why CHECK (stopped IS NOT TRUE OR reason IS NOT NULL)
);
CREATE INDEX bankroll_updates_by_time ON bankroll_updates (bankroll, occurred_at);

-- Whose bets nobody makes: paper and real money never meet in one bankroll.
ALTER TABLE bankrolls ADD paper boolean NOT NULL DEFAULT false;

-- `free`, `reserved` (for advice that stands) and `open` (on bets that are not graded) are the
-- owner's and never below zero; `outside` is the books and the owner's bank.
ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_account_check;
ALTER TABLE ledger_accounts ADD CONSTRAINT ledger_accounts_account_check
    CHECK (account IN ('free', 'reserved', 'open', 'outside'));

CREATE TABLE ledger_transactions (
    -- The order in which they were booked; a balance is told by it.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    transaction_id text PRIMARY KEY,
    kind text NOT NULL
        CHECK (kind IN ('deposit', 'withdrawal', 'adjustment', 'reserve', 'release', 'bet',
                        'settle', 'correct')),
    at moment NOT NULL,
    fill_id event_ref,
    stake_id text,
    settlement_id event_ref,
    reason text CHECK (char_length(reason) BETWEEN 1 AND 500),
    source short_name NOT NULL,
    CONSTRAINT of_a_bet CHECK (
        (kind IN ('deposit', 'withdrawal', 'adjustment')) = (num_nulls(fill_id, stake_id) = 2)),
    CONSTRAINT of_a_settlement CHECK ((settlement_id IS NULL) = (kind NOT IN ('settle', 'correct'))),
    CONSTRAINT an_adjustment_says_why CHECK (kind <> 'adjustment' OR reason IS NOT NULL)
);
CREATE INDEX ledger_transactions_by_fill ON ledger_transactions (fill_id);
CREATE INDEX ledger_transactions_by_stake ON ledger_transactions (stake_id);

CREATE TABLE ledger_entries (
    transaction_id text NOT NULL REFERENCES ledger_transactions,
    bankroll short_name NOT NULL,
    account text NOT NULL,
    amount cash NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (transaction_id, bankroll, account),
    FOREIGN KEY (bankroll, account) REFERENCES ledger_accounts
);
CREATE TRIGGER move_balance AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION move_balance();
CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_balance();
CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_balance();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
