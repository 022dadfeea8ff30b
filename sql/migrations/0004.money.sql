-- Grading and the bankroll: double entry, exact, append-only, never below zero.
-- depends: 0003.decisions

CREATE DOMAIN outcome AS text CHECK (VALUE IN ('win', 'loss', 'push', 'void'));

CREATE TABLE settlements (
    settlement_id text PRIMARY KEY,
    stake_id text NOT NULL REFERENCES stakes,
    result_id event_ref REFERENCES results (event_id),
    outcome outcome NOT NULL,
    stake cash NOT NULL CHECK (stake >= 0),
    payout cash NOT NULL CHECK (payout >= 0),
    rule text NOT NULL,
    settled_at moment NOT NULL,
    -- A corrected result settles anew; the row it takes the place of stays.
    supersedes text UNIQUE REFERENCES settlements,
    simulated boolean NOT NULL,
    source short_name NOT NULL,
    topic text,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CHECK (supersedes <> settlement_id),
    CONSTRAINT payout_of_outcome CHECK (
        CASE outcome
            WHEN 'loss' THEN payout = 0
            WHEN 'win' THEN payout >= stake
            ELSE payout = stake
        END),
    -- Without a result nothing is won or lost.
    CONSTRAINT graded_by_a_result CHECK (result_id IS NOT NULL OR outcome = 'void')
);
-- One first settlement a stake; each later one supersedes its predecessor, once.
CREATE UNIQUE INDEX settled_once ON settlements (stake_id) WHERE supersedes IS NULL;

CREATE TABLE bankrolls (
    bankroll short_name PRIMARY KEY,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- `free` and `reserved` are the owner's and never below zero; `outside` is the books and the
-- owner's bank, whose cash comes and goes.
CREATE TABLE ledger_accounts (
    bankroll short_name NOT NULL REFERENCES bankrolls,
    account text NOT NULL CHECK (account IN ('free', 'reserved', 'outside')),
    balance cash NOT NULL DEFAULT 0,
    PRIMARY KEY (bankroll, account),
    CONSTRAINT never_negative CHECK (account = 'outside' OR balance >= 0)
);

CREATE TABLE ledger_transactions (
    transaction_id text PRIMARY KEY,
    kind text NOT NULL
        CHECK (kind IN ('deposit', 'withdrawal', 'reserve', 'release', 'settle', 'correct')),
    at moment NOT NULL,
    stake_id text REFERENCES stakes,
    settlement_id text REFERENCES settlements,
    source short_name NOT NULL,
    CHECK ((stake_id IS NULL) = (kind IN ('deposit', 'withdrawal'))),
    CHECK ((settlement_id IS NULL) = (kind NOT IN ('settle', 'correct')))
);
CREATE INDEX ledger_transactions_by_stake ON ledger_transactions (stake_id);

CREATE TABLE ledger_entries (
    transaction_id text NOT NULL REFERENCES ledger_transactions,
    bankroll short_name NOT NULL,
    account text NOT NULL,
    amount cash NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (transaction_id, bankroll, account),
    FOREIGN KEY (bankroll, account) REFERENCES ledger_accounts
);

CREATE FUNCTION move_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_accounts SET balance = balance + NEW.amount
    WHERE bankroll = NEW.bankroll AND account = NEW.account;
    RETURN NULL;
END
$$;
CREATE TRIGGER move_balance AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION move_balance();

CREATE FUNCTION entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_entries WHERE transaction_id = NEW.transaction_id
               GROUP BY bankroll HAVING sum(amount) <> 0)
       OR NOT EXISTS (SELECT FROM ledger_entries WHERE transaction_id = NEW.transaction_id) THEN
        RAISE EXCEPTION 'ledger transaction %: its entries do not sum to zero', NEW.transaction_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_balance';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_balance();
CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_balance();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: rows are only added; correct one by a new one', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlements
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
