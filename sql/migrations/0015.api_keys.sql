-- Who may use the API. The group `steamline_api` is for its login: it looks keys up, notes when
-- they were used, and keeps the sessions of browsers. Nobody else sees hashes; to make, rotate and
-- revoke keys is the owner's.
-- depends: 0014.ledger

CREATE TABLE api_keys (
    key_id text COLLATE "C" PRIMARY KEY CHECK (key_id ~ '^[a-z0-9]{12}$'),
    name short_name NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]+$'),
    scopes text[] NOT NULL CHECK (
        scopes <@ ARRAY['read', 'stake', 'admin'] AND cardinality(scopes) > 0
        AND array_position(scopes, NULL) IS NULL),
    secret_hash text NOT NULL CHECK (secret_hash LIKE '$argon2id$%'),
    -- Of the secret before the last rotation.
    old_hash text CHECK (old_hash LIKE '$argon2id$%'),
    old_until moment,
    created_at moment NOT NULL,
    expires_at moment,
    revoked_at moment,
    used_at moment,
    CONSTRAINT old_whole CHECK (num_nulls(old_hash, old_until) IN (0, 2)),
    CONSTRAINT expires_later CHECK (expires_at > created_at)
);
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (name) WHERE revoked_at IS NULL;

-- A browser that was signed in with a key: it holds a random token, here is its SHA-256.
CREATE TABLE api_sessions (
    session_hash bytea PRIMARY KEY CHECK (length(session_hash) = 32),
    key_id text NOT NULL REFERENCES api_keys,
    expires_at moment NOT NULL
);
CREATE INDEX api_sessions_by_expiry ON api_sessions (expires_at);

DO $$
DECLARE
    barred text;
BEGIN
    BEGIN
        CREATE ROLE steamline_api NOLOGIN;
    EXCEPTION
        WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
    -- Both have been given every table to come.
    FOREACH barred IN ARRAY ARRAY['steamline_writer', 'steamline_reader'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = barred) THEN
            EXECUTE format('REVOKE ALL ON api_keys, api_sessions FROM %I', barred);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'steamline_api') THEN
        GRANT USAGE ON SCHEMA public TO steamline_api;
        GRANT SELECT ON api_keys TO steamline_api;
        GRANT UPDATE (used_at) ON api_keys TO steamline_api;
        GRANT SELECT, INSERT, DELETE ON api_sessions TO steamline_api;
    END IF;
END $$;
