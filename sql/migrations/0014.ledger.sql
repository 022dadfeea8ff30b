-- What the ledger must remember beside its bookings: advice that stands, bets and gradings that it
-- has read, whether they are booked or wait, how far it has read, and what it has last said.
-- depends: 0011.bets

ALTER TABLE bankrolls
    -- Of the newest transaction that changed the balance, and the event time that was said with it.
    ADD told_number bigint,
    ADD told_at moment,
    ADD CONSTRAINT told_whole CHECK (num_nulls(told_number, told_at) IN (0, 2)),
    -- All bankrolls at once, and so none.
    ADD CONSTRAINT named CHECK (bankroll <> '*');

-- One market of one game, for one bankroll.
CREATE TABLE ledger_markets (
    bankroll short_name NOT NULL REFERENCES bankrolls,
    game_id game_ref NOT NULL,
    market market NOT NULL,
    -- Of the newest advice, 0 and 1970 where there was none; `stakes` are the ids of all that has the same place in that order.
    position bigint NOT NULL,
    decided timestamptz NOT NULL,
    stakes text[] NOT NULL,
    wanted cash NOT NULL CHECK (wanted >= 0),
    held cash NOT NULL CHECK (held >= 0),
    bet cash NOT NULL CHECK (bet >= 0),
    PRIMARY KEY (bankroll, game_id, market)
);

CREATE TABLE ledger_facts (
    kind text NOT NULL CHECK (kind IN ('fill', 'settlement')),
    fact_id event_ref NOT NULL,
    fill_id event_ref NOT NULL,
    bankroll short_name NOT NULL REFERENCES bankrolls,
    -- The order in which they were read.
    number bigint GENERATED ALWAYS AS IDENTITY,
    said jsonb NOT NULL CHECK (jsonb_typeof(said) = 'object'),
    booked boolean NOT NULL,
    -- Why it is not booked; since when the bankroll is stopped for it.
    why text,
    stopped_at moment,
    PRIMARY KEY (kind, fact_id),
    CONSTRAINT booked_or_why_not CHECK (booked = (why IS NULL))
);
CREATE INDEX ledger_facts_of_fill ON ledger_facts (fill_id);
CREATE INDEX ledger_facts_waiting ON ledger_facts (bankroll) WHERE NOT booked;

CREATE VIEW unbooked AS
SELECT bankroll, kind, fact_id, fill_id, why, stopped_at, said, number
FROM ledger_facts WHERE NOT booked;

CREATE TABLE ledger_offsets (
    topic text NOT NULL,
    "partition" integer NOT NULL CHECK ("partition" >= 0),
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (topic, "partition")
);

CREATE INDEX ledger_entries_of_bankroll ON ledger_entries (bankroll, transaction_id);

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'steamline_writer') THEN
        GRANT UPDATE ON bankrolls, ledger_markets, ledger_facts, ledger_offsets
            TO steamline_writer;
    END IF;
END $$;
