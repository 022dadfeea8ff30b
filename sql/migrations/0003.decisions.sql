-- What was made of it. `source` is the flow that made a row; what it had read is in `read_to`.
-- depends: 0002.events

CREATE TABLE feature_sets (
    feature_set text PRIMARY KEY,
    names text[] NOT NULL CHECK (cardinality(names) > 0)
);

CREATE TABLE features (
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    "position" integer NOT NULL CHECK ("position" >= 1),
    feature_set text NOT NULL REFERENCES feature_sets,
    as_of moment NOT NULL,
    cutoff moment NOT NULL,
    simulated boolean NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    completeness probability NOT NULL,
    completeness_by jsonb NOT NULL,
    -- Null where the offline builder made the vector: it keeps no ages.
    source_age_ms jsonb,
    vector real[] NOT NULL,
    source short_name NOT NULL,
    PRIMARY KEY (game_id, "position", feature_set),
    CONSTRAINT width CHECK (cardinality(vector) = count),
    -- An event one microsecond too late gets through no layer, this one neither.
    CONSTRAINT before_cutoff CHECK (as_of <= cutoff)
);

CREATE TABLE predictions (
    prediction_id text PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    "position" integer NOT NULL CHECK ("position" >= 1),
    as_of moment NOT NULL,
    cutoff moment NOT NULL,
    start_time moment NOT NULL,
    simulated boolean NOT NULL,
    target target NOT NULL,
    model_version text NOT NULL,
    feature_set text NOT NULL,
    line finite,
    probability probability NOT NULL,
    market_probability probability NOT NULL,
    mean_runs finite,
    mean_margin finite,
    fair_price decimal_price NOT NULL,
    best jsonb NOT NULL CHECK (jsonb_typeof(best) = 'array'),
    odds_age_ms bigint NOT NULL CHECK (odds_age_ms >= 0),
    books integer NOT NULL CHECK (books >= 1),
    completeness probability NOT NULL,
    read_to jsonb NOT NULL CHECK (jsonb_typeof(read_to) = 'object'),
    source short_name NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CONSTRAINT before_cutoff CHECK (as_of <= cutoff),
    -- STEAMLINE_SCORE_CUTOFF_MINUTES is 1 at least.
    CONSTRAINT cutoff_before_start CHECK (cutoff <= start_time - interval '1 minute')
);
CREATE INDEX predictions_by_game ON predictions (game_id, target, "position");
CREATE INDEX predictions_by_time ON predictions (as_of);

CREATE TABLE stakes (
    stake_id text PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    "position" integer NOT NULL CHECK ("position" >= 1),
    as_of moment NOT NULL,
    simulated boolean NOT NULL,
    market market NOT NULL,
    model_version text NOT NULL,
    bankroll short_name NOT NULL,
    side side,
    book text COLLATE "C" REFERENCES books,
    line finite,
    price decimal_price,
    probability probability,
    edge finite,
    kelly_full probability,
    fraction probability NOT NULL,
    amount double precision NOT NULL CHECK (amount >= 0.0 AND amount < 'Infinity'),
    refusals refusals NOT NULL,
    paper boolean NOT NULL,
    source short_name NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2)),
    CONSTRAINT refused_or_staked CHECK ((fraction > 0.0) = (cardinality(refusals) = 0)),
    CONSTRAINT staked_on_something CHECK (
        fraction = 0.0 OR num_nulls(side, book, price, probability) = 0)
);
CREATE INDEX stakes_by_game ON stakes (game_id, market, "position");
CREATE INDEX stakes_placed ON stakes (as_of) WHERE fraction > 0.0;

CREATE TABLE alerts (
    alert_id text PRIMARY KEY,
    game_id text COLLATE "C" NOT NULL REFERENCES games,
    "position" integer NOT NULL CHECK ("position" >= 1),
    as_of moment NOT NULL,
    simulated boolean NOT NULL,
    kind alert_kind NOT NULL,
    detail text NOT NULL,
    market market,
    side side,
    "values" jsonb NOT NULL CHECK (jsonb_typeof("values") = 'object'),
    source short_name NOT NULL,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    CHECK (num_nulls("partition", "offset") IN (0, 2))
);
CREATE INDEX alerts_by_game ON alerts (game_id, "position");
CREATE INDEX alerts_by_kind ON alerts (kind, as_of);

-- Topic, partition and offset are those of the record that was refused, as `letter_id` says.
CREATE TABLE dead_letters (
    letter_id text PRIMARY KEY,
    reason text NOT NULL,
    detail text NOT NULL,
    source text NOT NULL,
    topic text,
    "partition" integer CHECK ("partition" >= 0),
    "offset" bigint CHECK ("offset" >= 0),
    recorded_at timestamptz NOT NULL,
    key bytea,
    value bytea NOT NULL,
    -- Of a record all three, of a part of a polled payload none.
    CHECK (num_nulls(topic, "partition", "offset") IN (0, 3))
);
CREATE INDEX dead_letters_by_time ON dead_letters (recorded_at);
