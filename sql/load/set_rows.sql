-- Which rows of a damaged file `rescued` reads: the first and the last.
SET VARIABLE rows = CAST($rows AS BIGINT[])
