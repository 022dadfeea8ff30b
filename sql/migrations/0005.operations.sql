-- How it came about: training runs, checks of the data, and how far each topic has been read.
-- depends: 0004.money

CREATE TABLE model_runs (
    run_id text PRIMARY KEY,
    target target NOT NULL,
    model_version text NOT NULL,
    feature_set text NOT NULL,
    data_fingerprint text NOT NULL,
    code_revision text,
    trained_at moment NOT NULL,
    trained_until moment,
    rows integer NOT NULL CHECK (rows > 0),
    params jsonb NOT NULL,
    metrics jsonb NOT NULL,
    simulated boolean NOT NULL,
    source short_name NOT NULL,
    UNIQUE (target, model_version)
);

CREATE TABLE data_quality (
    source short_name NOT NULL,
    day date NOT NULL,
    metric text NOT NULL,
    subject text NOT NULL DEFAULT '',
    value finite,
    detail jsonb,
    measured_at moment NOT NULL,
    PRIMARY KEY (source, day, metric, subject)
);
CREATE INDEX data_quality_by_metric ON data_quality (metric, day);

-- Written in the transaction of the rows that it covers: there is no second truth to disagree with.
CREATE TABLE curate_offsets (
    topic text NOT NULL,
    "partition" integer NOT NULL CHECK ("partition" >= 0),
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (topic, "partition")
);
