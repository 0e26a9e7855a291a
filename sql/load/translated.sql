-- Calls that records of other systems' formats were translated to, or why they were not.
CREATE OR REPLACE TEMP TABLE translated (segment INTEGER, item BIGINT, call VARCHAR, reason VARCHAR, detail VARCHAR)
