-- How many frames of each segment are whole.
SELECT segment, count(*) FROM frames GROUP BY segment
