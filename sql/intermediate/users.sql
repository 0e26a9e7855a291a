/*
description: >
  People as known at the cut: latest e-mail, name and title, shared by all ids of one person. A person once known by an address of an
  internal domain, or whose id or e-mail is listed under [exclude] users, is excluded from usage, milestones and contacts: from the day that
  is known and for good, so that no earlier day changes.
grain: one row per user seen
key: [user_key]
not_null: [user_key, user_id, canonical_user_key, is_excluded, first_seen_at]
incremental: [canonical_user_key]
accepted: {excluded_reason: [internal, listed]}
*/
WITH seen AS (
  SELECT p.user_key, p.canonical_user_key, p.user_id, min(p.first_at) AS first_seen_at, min(p.known_date) AS known_date, min(p.joined_date) AS joined_date
  FROM intermediate.first_sightings AS p
  GROUP BY p.user_key, p.canonical_user_key, p.user_id
),

ranked AS (
  SELECT f.canonical_user_key, f.fact, f.value,
    row_number() OVER (PARTITION BY f.canonical_user_key, f.fact ORDER BY f.last_said_at DESC, f.last_known_at DESC, f.last_call_id) AS place
  FROM intermediate.user_facts AS f
),

latest AS (
  SELECT
    r.canonical_user_key,
    max(CASE WHEN r.fact = 'email' THEN r.value END) AS email,
    max(CASE WHEN r.fact = 'name' THEN r.value END) AS name,
    max(CASE WHEN r.fact = 'title' THEN r.value END) AS title
  FROM ranked AS r
  WHERE r.place = 1
  GROUP BY r.canonical_user_key
),

addressed AS (
  -- many products use the e-mail address as the user id
  SELECT s.canonical_user_key, min(CASE WHEN s.user_id LIKE '%_@_%._%' AND s.user_id NOT LIKE 'anon:%' THEN lower(s.user_id) END) AS id_email
  FROM seen AS s
  GROUP BY s.canonical_user_key
),

people AS (
  SELECT a.canonical_user_key, coalesce(l.email, a.id_email) AS email, l.name, l.title
  FROM addressed AS a
  LEFT JOIN latest AS l ON l.canonical_user_key = a.canonical_user_key
),

evidence AS (
  SELECT s.canonical_user_key, s.user_key, 'internal' AS reason, a.known_date
  FROM seen AS s INNER JOIN intermediate.user_addresses AS a ON a.user_key = s.user_key INNER JOIN config.excluded_domains AS x ON lower(x.domain) = split_part(a.email, '@', 2)
  WHERE x.reason = 'internal'
  UNION ALL
  SELECT s.canonical_user_key, s.user_key, 'listed' AS reason, a.known_date
  FROM seen AS s INNER JOIN intermediate.user_addresses AS a ON a.user_key = s.user_key INNER JOIN config.excluded_users AS x ON lower(x.user_id) = a.email
  UNION ALL
  SELECT s.canonical_user_key, s.user_key, 'listed' AS reason, s.known_date FROM seen AS s INNER JOIN config.excluded_users AS x ON x.user_id = s.user_id
),

excluded AS (
  -- what is known of one id of a person holds for another from the day the two were known to be one
  SELECT
    s.canonical_user_key, s.user_key, min(e.reason) AS reason,
    min(CASE WHEN o.user_key = s.user_key THEN e.known_date ELSE greatest(e.known_date, coalesce(s.joined_date, e.known_date), coalesce(o.joined_date, e.known_date)) END) AS known_date
  FROM seen AS s
  INNER JOIN seen AS o ON o.canonical_user_key = s.canonical_user_key
  INNER JOIN evidence AS e ON e.canonical_user_key = o.canonical_user_key AND e.user_key = o.user_key
  GROUP BY s.canonical_user_key, s.user_key
)

SELECT
  CAST(s.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(s.user_id AS VARCHAR) AS user_id, -- id as announced
  CAST(s.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person, see intermediate.user_aliases
  CAST(p.email AS VARCHAR) AS email, -- latest e-mail of the person, lower case; the user id where it is an address
  CAST(p.name AS VARCHAR) AS name, -- latest name
  CAST(p.title AS VARCHAR) AS title, -- latest job title
  CAST(x.user_key IS NOT NULL AS BOOLEAN) AS is_excluded, -- whether the person counts nowhere any more
  CAST(x.reason AS VARCHAR) AS excluded_reason, -- internal domain, or listed by id or e-mail
  CAST(x.known_date AS DATE) AS excluded_date, -- reporting day from which that is known: what became known before it stays counted
  CAST(s.first_seen_at AS TIMESTAMP) AS first_seen_at -- first event or identity call of this id
FROM seen AS s
INNER JOIN people AS p ON p.canonical_user_key = s.canonical_user_key
LEFT JOIN excluded AS x ON x.canonical_user_key = s.canonical_user_key AND x.user_key = s.user_key
