-- Records to translate.
SELECT segment, i AS item, raw, env FROM frames WHERE bad IS NULL AND NOT is_forgotten(raw, b64)
