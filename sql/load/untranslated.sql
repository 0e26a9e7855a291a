-- Records to translate.
SELECT segment, i AS item, raw, env FROM frames WHERE bad IS NULL
