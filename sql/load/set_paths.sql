-- Which files `frames` reads.
SET VARIABLE paths = $paths
