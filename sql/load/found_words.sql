-- Words of `frames` that are on a list: (word, hash). $salt and the table `listed` are the list's; $odd: whole texts count too.
WITH texts AS (SELECT told_by(raw, env, b64, detail) AS t FROM frames WHERE NOT is_forgotten(raw, b64)),
parts AS (
  SELECT DISTINCT unnest(words_of(t)) AS part FROM texts
  UNION SELECT DISTINCT regexp_replace(unnest(regexp_extract_all(t, '"((?:[^"\\]|\\.)*)"', 1)), '\\(["\\])', '\1', 'g') FROM texts WHERE $odd
  UNION SELECT DISTINCT trim(unnest(regexp_extract_all(t, '[^\s"\\]+')), '.,;:!?()<>[]{}''') FROM texts WHERE $odd  -- ids of several words, as auth0|17
),
words AS (
  SELECT part AS word FROM parts
  UNION SELECT trim(part, '.') FROM parts
  UNION SELECT lower(trim(part, '.')) FROM parts WHERE contains(part, '@')
)
SELECT w.word, l.kind FROM (SELECT word, sha256(concat($salt, word)) AS hash FROM words) AS w JOIN listed AS l ON l.hash = w.hash
