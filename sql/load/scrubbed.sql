-- What frames hold from now on.
CREATE OR REPLACE TEMP TABLE scrubbed (segment INTEGER, i BIGINT, raw VARCHAR, env VARCHAR, detail VARCHAR, b64 VARCHAR)
