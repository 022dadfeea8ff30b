-- Which part a model had in an experiment when it spoke. What was said before there were any, was
-- said by champions.
-- depends: 0007.model_jobs

CREATE DOMAIN role AS text CHECK (VALUE IN ('champion', 'challenger'));
CREATE DOMAIN experiment_name AS text COLLATE "C" CHECK (VALUE ~ '^[A-Za-z0-9._-]{1,64}$');
CREATE DOMAIN dealt_share AS double precision CHECK (VALUE > 0.0 AND VALUE < 1.0);

ALTER TABLE predictions
    ADD role role NOT NULL DEFAULT 'champion',
    ADD experiment experiment_name,
    ADD share dealt_share,
    ADD CONSTRAINT in_an_experiment CHECK (
        experiment IS NOT NULL OR (role = 'champion' AND share IS NULL));

ALTER TABLE stakes
    ADD role role NOT NULL DEFAULT 'champion',
    ADD experiment experiment_name,
    ADD share dealt_share,
    ADD CONSTRAINT in_an_experiment CHECK (
        experiment IS NOT NULL OR (role = 'champion' AND share IS NULL)),
    ADD CONSTRAINT never_of_a_shadow CHECK (role = 'champion' OR share IS NOT NULL);
