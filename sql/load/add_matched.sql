-- Frames that one of the words in $pattern stands in, as a word of its own unless it is no single word ($odd).
INSERT INTO matched
WITH told AS (
  SELECT f.*, told_by(f.raw, f.env, f.b64, f.detail) AS t FROM frames AS f WHERE NOT is_forgotten(f.raw, f.b64)
),
split AS (
  SELECT *, list_transform(words_of(t), lambda w: trim(w, '.')) AS parts, list_transform(words_of(lower(t)), lambda w: trim(w, '.')) AS spelt
  FROM told WHERE regexp_matches(t, $pattern)
)
SELECT * EXCLUDE (t, parts, spelt), false,
  $odd OR list_has_any(parts, getvariable('sought').telling) OR list_has_any(spelt, getvariable('sought').addresses)
FROM split AS f
WHERE ($odd OR list_has_any(parts, getvariable('sought').names) OR list_has_any(spelt, getvariable('sought').addresses))
  AND NOT EXISTS (SELECT 1 FROM matched AS m WHERE m.segment = f.segment AND m.i = f.i)
