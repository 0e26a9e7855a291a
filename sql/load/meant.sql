-- Ids of who is forgotten, in plain, for the length of a connection in memory.
CREATE OR REPLACE TEMP TABLE meant (kind VARCHAR, name VARCHAR)
