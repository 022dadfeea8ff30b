-- What sources said. Every row says where it comes from: source, event id, and the Kafka topic,
-- partition and offset it was first read at; the last two are null for rows out of an archive.
-- depends: 0001.domains

CREATE TABLE books (
    book short_name PRIMARY KEY,
    sharp boolean NOT NULL DEFAULT false
);

-- A game is here as soon as anything names it; what only an update knows is null until one comes.
CREATE TABLE games (
    game_id game_ref PRIMARY KEY,
    league text NOT NULL GENERATED ALWAYS AS (split_part(game_id, '-', 1)) STORED,
    day date NOT NULL GENERATED ALWAYS AS (
        make_date(split_part(game_id, '-', 2)::integer, split_part(game_id, '-', 3)::integer,
                  split_part(game_id, '-', 4)::integer)) STORED,
    away_code text NOT NULL GENERATED ALWAYS AS (split_part(game_id, '-', 5)) STORED,
    home_code text NOT NULL GENERATED ALWAYS AS (split_part(game_id, '-', 6)) STORED,
    number smallint NOT NULL
        GENERATED ALWAYS AS (split_part(game_id, '-', 7)::smallint) STORED,
    home short_name,
    away short_name,
    start_time moment,
    status game_status,
    mlb_game_pk bigint CHECK (mlb_game_pk > 0),
    home_starter short_name,
    away_starter short_name,
    simulated boolean NOT NULL DEFAULT false,
    updated_at moment,
    source short_name NOT NULL,
    event_id event_ref NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2))
);
CREATE INDEX games_by_day ON games (day);

CREATE TABLE game_updates (
    event_id event_ref PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    source short_name NOT NULL,
    occurred_at moment NOT NULL,
    simulated boolean NOT NULL,
    settles boolean NOT NULL,
    home short_name NOT NULL,
    away short_name NOT NULL,
    start_time moment NOT NULL,
    status game_status NOT NULL,
    mlb_game_pk bigint CHECK (mlb_game_pk > 0),
    home_starter short_name,
    away_starter short_name,
    context jsonb,
    context_as_of moment,
    quotes_stand boolean NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CHECK ((context IS NULL) = (context_as_of IS NULL)),
    CONSTRAINT context_known_by_then CHECK (context_as_of <= occurred_at)
);
CREATE INDEX game_updates_by_game ON game_updates (game_id, occurred_at);

-- An event is its id and its time; the time must be in the key, because it decides the partition.
CREATE TABLE quotes (
    event_id event_ref NOT NULL,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    source short_name NOT NULL,
    occurred_at moment NOT NULL,
    simulated boolean NOT NULL,
    settles boolean NOT NULL,
    book text COLLATE "C" NOT NULL REFERENCES books,
    market market NOT NULL,
    status quote_status NOT NULL,
    price_home_over quoted_price,
    price_away_under quoted_price,
    line quoted_line,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    PRIMARY KEY (event_id, occurred_at),
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CONSTRAINT prices_when_open CHECK (
        num_nulls(price_home_over, price_away_under) = CASE status WHEN 'open' THEN 0 ELSE 2 END),
    CONSTRAINT line_fits_market CHECK (
        status = 'withdrawn'
        OR ((line IS NULL) = (market = 'moneyline')
            AND (market <> 'total' OR line IS NULL OR line > 0.0))),
    CONSTRAINT overround CHECK (
        1.0::double precision / price_home_over + 1.0::double precision / price_away_under
        BETWEEN 0.9 AND 1.5)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX quotes_by_game ON quotes (game_id, market, book, occurred_at);

-- Made and then attached, so that a report which is reading quotes neither waits nor is waited for.
CREATE FUNCTION make_quote_partitions(first_day date, last_day date) RETURNS void
LANGUAGE plpgsql
-- So that a writer may call it who does not own the table.
SECURITY DEFINER
SET search_path = public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    wanted date;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_quote_partitions'));
    FOR wanted IN SELECT d::date FROM generate_series(first_day, last_day, interval '1 day') d LOOP
        name := 'quotes_' || to_char(wanted, 'YYYYMMDD');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE quotes INCLUDING ALL)', name);
            EXECUTE format(
                'ALTER TABLE quotes ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, wanted::timestamptz, (wanted + 1)::timestamptz);
        END IF;
    END LOOP;
END
$$;

CREATE TABLE splits (
    event_id event_ref PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    source short_name NOT NULL,
    occurred_at moment NOT NULL,
    simulated boolean NOT NULL,
    settles boolean NOT NULL,
    book text COLLATE "C" NOT NULL REFERENCES books,
    market market NOT NULL,
    tickets_home_over_pct percentage,
    handle_home_over_pct percentage,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CONSTRAINT says_something CHECK (num_nonnulls(tickets_home_over_pct, handle_home_over_pct) > 0)
);
CREATE INDEX splits_by_game ON splits (game_id, market, book, occurred_at);

-- Every result that was told, corrections too; `final_results` has the last word on each game.
CREATE TABLE results (
    event_id event_ref PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    source short_name NOT NULL,
    occurred_at moment NOT NULL,
    simulated boolean NOT NULL,
    settles boolean NOT NULL,
    home_score runs NOT NULL,
    away_score runs NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2))
);
CREATE INDEX results_by_game ON results (game_id, occurred_at DESC, event_id DESC);

CREATE VIEW final_results AS
SELECT DISTINCT ON (game_id) *
FROM results
ORDER BY game_id, occurred_at DESC, event_id DESC;
