-- Which rows of a compacted file each segment stands in: from `first_row` up to the one before `end_row`.
CREATE OR REPLACE TEMP TABLE places AS
SELECT unnest(CAST($segments AS INTEGER[])) AS segment, unnest(CAST($first AS BIGINT[])) AS first_row, unnest(CAST($end AS BIGINT[])) AS end_row
