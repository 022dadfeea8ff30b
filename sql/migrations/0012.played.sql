-- How far a game got, and how it came to its score: what settlement asks for.
-- depends: 0007.model_jobs

CREATE DOMAIN half_innings AS smallint CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN innings AS smallint CHECK (VALUE BETWEEN 1 AND 9);
CREATE DOMAIN ending AS text CHECK (VALUE IN ('played_out', 'called', 'forfeited'));
CREATE DOMAIN local_day AS text CHECK (VALUE ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$');

ALTER TABLE game_updates
    ADD scheduled_innings innings,
    ADD half_innings half_innings,
    ADD full_home_score runs,
    ADD full_away_score runs,
    ADD postseason boolean,
    ADD home_score runs,
    ADD away_score runs;

ALTER TABLE results
    ADD scheduled_innings innings,
    ADD half_innings half_innings,
    ADD full_home_score runs,
    ADD full_away_score runs,
    ADD postseason boolean,
    ADD ending ending,
    ADD played_on local_day,
    ADD started_at moment,
    ADD resumed_at moment,
    ADD home_starter short_name,
    ADD away_starter short_name,
    ADD venue_changed boolean;

CREATE OR REPLACE VIEW final_results AS
SELECT DISTINCT ON (game_id) *
FROM results
ORDER BY game_id, occurred_at DESC, event_id DESC;
