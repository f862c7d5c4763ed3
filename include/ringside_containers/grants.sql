-- Purpose: what the two lesser roles may do in Ringside's database. Training adds forecasts and
-- scores to the record and alters none; the history of skill, which follows from the scores, it may
-- write anew. Serving reads. Run by the owner after each migration.
-- Parameters: none. Grain: the schema.
GRANT USAGE ON SCHEMA public TO ringside_training, ringside_serving;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ringside_training, ringside_serving;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ringside_training, ringside_serving;
GRANT INSERT ON forecasts, scores TO ringside_training;
GRANT INSERT, UPDATE ON skill_history TO ringside_training;
