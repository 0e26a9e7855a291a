-- Records of $segment that are gone with their place, numbered from $first on.
INSERT INTO damaged
SELECT $segment, -1 - r.place, $reason, $detail, NULL, NULL, NULL FROM range($first, $lost) AS r(place)
