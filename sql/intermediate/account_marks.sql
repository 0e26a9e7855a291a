/*
description: >
  What speaks for or against an account as a prospect, each with the day it was first known: domains it said, of its people's addresses and
  of its Stripe customers' (internal, competitor, free_mail, else company), job titles of its people (title when on the list, else other_title),
  and Stripe customers of test and live mode. Excluded people say nothing.
grain: one row per account and mark
key: [account_key, mark]
not_null: [account_key, mark, known_date]
incremental: [account_key]
accepted: {mark: [internal, competitor, free_mail, company, title, other_title, test_mode, live_mode]}
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, starts_at, ends_at FROM config.calendar
),

personal AS (
  -- what one id of a person said holds for another from the day the two were known to be one
  SELECT
    m.account_key, 'domain' AS fact, split_part(p.email, '@', 2) AS value, m.excluded_date,
    CASE WHEN l.user_key = m.user_key THEN greatest(m.known_date, p.known_date)
      ELSE greatest(m.known_date, p.known_date, coalesce(a.known_date, p.known_date), coalesce(b.known_date, p.known_date)) END AS known_date
  FROM intermediate.account_members AS m
  INNER JOIN intermediate.user_links AS l ON l.canonical_user_key = m.canonical_user_key
  INNER JOIN intermediate.user_addresses AS p ON p.user_key = l.user_key
  LEFT JOIN intermediate.user_aliases AS a ON a.user_key = m.user_key
  LEFT JOIN intermediate.user_aliases AS b ON b.user_key = l.user_key
  UNION ALL
  SELECT
    m.account_key, 'title' AS fact, lower(p.value) AS value, m.excluded_date,
    CASE WHEN l.user_key = m.user_key THEN greatest(m.known_date, p.known_date)
      ELSE greatest(m.known_date, p.known_date, coalesce(a.known_date, p.known_date), coalesce(b.known_date, p.known_date)) END AS known_date
  FROM intermediate.account_members AS m
  INNER JOIN intermediate.user_links AS l ON l.canonical_user_key = m.canonical_user_key
  INNER JOIN intermediate.user_facts AS p ON p.user_key = l.user_key AND p.fact = 'title'
  LEFT JOIN intermediate.user_aliases AS a ON a.user_key = m.user_key
  LEFT JOIN intermediate.user_aliases AS b ON b.user_key = l.user_key
),

billed AS (
  SELECT a.account_key, split_part(lower(trim(s.email)), '@', 2) AS value, greatest(a.known_date, d.day) AS known_date
  FROM intermediate.account_customers AS a
  CROSS JOIN config.clock AS c
  INNER JOIN staging.stripe_customers AS s
    ON s.customer_id = a.customer_id AND s.known_at < c.known_at AND CASE WHEN s.kind = 'object' AND s.customer_created_at IS NOT NULL THEN s.customer_created_at < c.as_of ELSE s.occurred_at < c.as_of END
  INNER JOIN instant_days AS d ON d.utc_date = CAST(s.known_at AS DATE) AND s.known_at >= d.starts_at AND s.known_at < d.ends_at
),

facts AS (
  SELECT s.account_key, s.fact, s.value, s.known_date FROM personal AS s WHERE s.excluded_date IS NULL OR s.excluded_date > s.known_date
  UNION ALL
  SELECT k.account_key, 'domain' AS fact, k.domain AS value, k.known_date FROM intermediate.placed_calls AS k WHERE k.kind = 'group' AND k.is_named
  UNION ALL
  SELECT k.account_key, 'domain' AS fact, k.value, k.known_date FROM billed AS k
  UNION ALL
  SELECT k.account_key, CASE WHEN k.is_test THEN 'test_mode' ELSE 'live_mode' END AS fact, '' AS value, k.known_date FROM intermediate.account_customers AS k
),

titles AS (
  SELECT lower(x.title) AS title FROM config.excluded_titles AS x GROUP BY lower(x.title)
),

marked AS (
  SELECT f.account_key, coalesce(x.reason, 'company') AS mark, f.known_date
  FROM facts AS f LEFT JOIN config.excluded_domains AS x ON lower(x.domain) = f.value
  WHERE f.fact = 'domain' AND f.value <> ''
  UNION ALL
  SELECT f.account_key, CASE WHEN t.title IS NULL THEN 'other_title' ELSE 'title' END AS mark, f.known_date
  FROM facts AS f LEFT JOIN titles AS t ON t.title = f.value
  WHERE f.fact = 'title'
  UNION ALL
  SELECT f.account_key, f.fact AS mark, f.known_date FROM facts AS f WHERE f.fact IN ('test_mode', 'live_mode')
)

SELECT
  CAST(m.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(m.mark AS VARCHAR) AS mark, -- what is known
  CAST(min(m.known_date) AS DATE) AS known_date -- reporting day from which it is known
FROM marked AS m
GROUP BY m.account_key, m.mark
