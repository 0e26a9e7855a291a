-- Names of the events whose properties are kept.
CREATE OR REPLACE TEMP TABLE declared (event_name VARCHAR)
