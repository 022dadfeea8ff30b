-- What `steamline model watch` did: a row a job, written when it has ended. One that was killed
-- leaves none. The models that it made are in model_runs.
-- depends: 0006.roles

CREATE TABLE model_jobs (
    job_id text PRIMARY KEY,
    cause text NOT NULL CHECK (cause IN ('first', 'refresh', 'degraded', 'asked')),
    outcome text NOT NULL CHECK (outcome IN ('trained', 'failed')),
    detail text NOT NULL,
    began_at moment NOT NULL,
    ended_at moment NOT NULL,
    CHECK (ended_at >= began_at)
);
CREATE INDEX model_jobs_by_time ON model_jobs (ended_at);

ALTER TABLE model_runs RENAME "rows" TO games;
ALTER TABLE model_runs ADD job_id text REFERENCES model_jobs;
