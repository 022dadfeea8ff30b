-- Two groups to grant to logins: `steamline_writer` and `steamline_reader`. They are made where
-- this user may make roles; else whoever may can make them, and `steamline db migrate` grants
-- nothing later: docs/postgres.md has the statements.
-- depends: 0005.operations

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['steamline_writer', 'steamline_reader'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION
            -- Roles are of the whole server: another database may have made them, even just now.
            WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
        END;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'steamline_writer') THEN
        GRANT USAGE ON SCHEMA public TO steamline_writer;
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO steamline_writer;
        GRANT UPDATE ON games, books, ledger_accounts, curate_offsets, data_quality
            TO steamline_writer;
        GRANT EXECUTE ON FUNCTION make_quote_partitions TO steamline_writer;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public
            GRANT SELECT, INSERT ON TABLES TO steamline_writer;
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO steamline_writer', current_database());
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'steamline_reader') THEN
        GRANT USAGE ON SCHEMA public TO steamline_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO steamline_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO steamline_reader;
    END IF;
    REVOKE EXECUTE ON FUNCTION make_quote_partitions FROM PUBLIC;
END
$$;
