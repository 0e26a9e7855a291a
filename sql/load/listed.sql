-- Who was forgotten, as the list says it: hashes, each with the kinds of id it is.
CREATE OR REPLACE TEMP TABLE listed (hash VARCHAR, kind VARCHAR)
