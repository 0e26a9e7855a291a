-- Frames that speak of who is forgotten. is_theirs: of nobody else; is_telling: by a name that is no other word.
CREATE OR REPLACE TEMP TABLE matched AS SELECT *, false AS is_theirs, false AS is_telling FROM frames LIMIT 0
