-- The order in which events came. Rows out of an archive have no partition and offset, and at equal
-- times of one game this order decides at which position the game is scored: without it training
-- from the tables would not see what training from the archive sees. Rows that are here already
-- are numbered as they lie.
-- depends: 0007.model_jobs

CREATE SEQUENCE arrivals;
ALTER TABLE quotes ADD arrival bigint NOT NULL DEFAULT nextval('arrivals');
ALTER TABLE splits ADD arrival bigint NOT NULL DEFAULT nextval('arrivals');
ALTER TABLE game_updates ADD arrival bigint NOT NULL DEFAULT nextval('arrivals');
ALTER TABLE results ADD arrival bigint NOT NULL DEFAULT nextval('arrivals');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'steamline_writer') THEN
        GRANT USAGE ON SEQUENCE arrivals TO steamline_writer;
    END IF;
END
$$;
