-- The loads that are carried out together; one, unless the tables are filled anew.
CREATE OR REPLACE TEMP TABLE taken (load_id INTEGER, first_segment INTEGER, last_segment INTEGER, landed_at TIMESTAMP)
