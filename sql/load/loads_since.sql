-- What became of all that was loaded from a segment on, over the loads that took it.
SELECT CAST(coalesce(sum(received), 0) AS BIGINT), CAST(coalesce(sum(loaded), 0) AS BIGINT), CAST(coalesce(sum(duplicate), 0) AS BIGINT),
  CAST(coalesce(sum(quarantined), 0) AS BIGINT), count(*), CAST(coalesce(sum(forgotten), 0) AS BIGINT)
FROM raw.loads
WHERE last_segment >= $since
