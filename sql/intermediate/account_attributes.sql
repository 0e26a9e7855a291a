/*
description: >
  History of every declared attribute of an account: traits of group calls (subject account) and of identify calls of its people (subject
  user), as announced. A value that says nothing new is left out: equal to the one before it and known no earlier. The attribute `channel`
  is always there: the first touch known, until a channel is said in so many words; of these the first known, for good. Traits set to null
  or absent say nothing.
grain: one row per account, attribute and announced change
key: [account_key, attribute, occurred_at, known_at, value]
not_null: [account_key, attribute, value, occurred_at, known_at, known_date]
incremental: [account_key]
*/
WITH placed AS (
  SELECT k.kind, k.occurred_at, k.channel, k.touch, CAST(k.traits AS JSON) AS body, k.account_key, k.known_at, k.known_date
  FROM intermediate.placed_calls AS k
  WHERE NOT k.is_excluded
),

touches AS (
  SELECT
    p.account_key, coalesce(p.channel, p.touch) AS channel, p.occurred_at, p.known_at, p.known_date, p.channel IS NOT NULL AS is_said,
    row_number() OVER (PARTITION BY p.account_key, p.channel IS NOT NULL ORDER BY p.known_at, p.occurred_at, coalesce(p.channel, p.touch)) AS place,
    min(CASE WHEN p.channel IS NOT NULL THEN p.known_at END) OVER (PARTITION BY p.account_key) AS said_at
  FROM placed AS p
  WHERE coalesce(p.channel, p.touch) IS NOT NULL
),

announced AS (
  -- a trait may name a key of an object inside: address.country
  SELECT
    p.account_key, a.attribute, p.occurred_at, p.known_at, p.known_date,
    coalesce(p.body ->> a.trait, (p.body -> split_part(a.trait, '.', 1)) ->> split_part(a.trait, '.', 2)) AS value
  FROM placed AS p
  INNER JOIN config.attributes AS a ON p.kind = CASE WHEN a.subject = 'account' THEN 'group' ELSE 'identify' END
),

compared AS (
  SELECT
    n.account_key, n.attribute, n.value, n.occurred_at, n.known_at, n.known_date,
    lag(n.value) OVER (PARTITION BY n.account_key, n.attribute ORDER BY n.occurred_at, n.known_at, n.value) AS value_before,
    lag(n.known_at) OVER (PARTITION BY n.account_key, n.attribute ORDER BY n.occurred_at, n.known_at, n.value) AS known_before
  FROM announced AS n
  WHERE n.value IS NOT NULL
),

history AS (
  SELECT o.account_key, o.attribute, o.value, o.occurred_at, o.known_at, o.known_date
  FROM compared AS o
  WHERE o.value_before IS NULL OR o.value_before <> o.value OR o.known_before > o.known_at
  UNION ALL
  SELECT t.account_key, 'channel' AS attribute, t.channel AS value, t.occurred_at, t.known_at, t.known_date
  FROM touches AS t
  WHERE t.place = 1 AND (t.is_said OR t.said_at IS NULL OR t.known_at < t.said_at)
)

SELECT
  CAST(h.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(h.attribute AS VARCHAR) AS attribute, -- attr_<name> as configured, or channel
  CAST(h.value AS VARCHAR) AS value, -- the value as text
  CAST(h.occurred_at AS TIMESTAMP) AS occurred_at, -- when it was said
  CAST(h.known_at AS TIMESTAMP) AS known_at, -- when it was known, with the links it needed
  CAST(h.known_date AS DATE) AS known_date -- reporting day from which it may be used
FROM history AS h
