/*
description: >
  Whether an account is a prospect, day by day, from what was known on each: an account of excluded people alone or of an internal domain is
  internal; any competitor's address makes it a competitor; free mail and a listed title count while nothing better is known; test mode while
  no live customer is. What is learnt later changes no earlier day.
grain: one row per account and run of days without a change
key: [account_key, known_from]
not_null: [account_key, known_from, known_to, has_company_domain, is_latest]
incremental: [account_key]
accepted: {undesirable_reason: [internal, competitor, free_mail, title, test_mode]}
*/
WITH news AS (
  SELECT k.account_key, k.known_date, k.mark, 0 AS opened, 0 AS people FROM intermediate.account_marks AS k
  UNION ALL
  SELECT m.account_key, m.known_date, 'member' AS mark, CASE WHEN m.excluded_date <= m.known_date THEN 0 ELSE 1 END AS opened, 1 AS people
  FROM intermediate.account_members AS m
  UNION ALL
  SELECT m.account_key, m.excluded_date AS known_date, 'member' AS mark, -1 AS opened, 0 AS people
  FROM intermediate.account_members AS m
  WHERE m.excluded_date > m.known_date
),

daily AS (
  SELECT
    n.account_key, n.known_date, sum(n.opened) AS opened, sum(n.people) AS people,
    max(CASE WHEN n.mark = 'internal' THEN 1 ELSE 0 END) AS internal, max(CASE WHEN n.mark = 'competitor' THEN 1 ELSE 0 END) AS competitor,
    max(CASE WHEN n.mark = 'free_mail' THEN 1 ELSE 0 END) AS free_mail, max(CASE WHEN n.mark = 'company' THEN 1 ELSE 0 END) AS company,
    max(CASE WHEN n.mark = 'title' THEN 1 ELSE 0 END) AS title, max(CASE WHEN n.mark = 'other_title' THEN 1 ELSE 0 END) AS other_title,
    max(CASE WHEN n.mark = 'test_mode' THEN 1 ELSE 0 END) AS test_mode, max(CASE WHEN n.mark = 'live_mode' THEN 1 ELSE 0 END) AS live_mode
  FROM news AS n
  GROUP BY n.account_key, n.known_date
),

running AS (
  SELECT
    d.account_key, d.known_date,
    sum(d.opened) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS opened,
    sum(d.people) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS people,
    max(d.internal) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS internal,
    max(d.competitor) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS competitor,
    max(d.free_mail) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS free_mail,
    max(d.company) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS company,
    max(d.title) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS title,
    max(d.other_title) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS other_title,
    max(d.test_mode) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS test_mode,
    max(d.live_mode) OVER (PARTITION BY d.account_key ORDER BY d.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS live_mode,
    lead(d.known_date) OVER (PARTITION BY d.account_key ORDER BY d.known_date) AS next_date
  FROM daily AS d
)

SELECT
  CAST(r.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(r.known_date AS DATE) AS known_from, -- first reporting day this held
  CAST(coalesce(r.next_date - INTERVAL 1 DAY, DATE '9999-12-31') AS DATE) AS known_to, -- last one, in year 9999 when it still holds
  CAST(CASE
    WHEN r.internal = 1 OR (r.people > 0 AND r.opened = 0) THEN 'internal'
    WHEN r.competitor = 1 THEN 'competitor'
    WHEN r.free_mail = 1 AND r.company = 0 THEN 'free_mail'
    WHEN r.title = 1 AND r.other_title = 0 THEN 'title'
    WHEN r.test_mode = 1 AND r.live_mode = 0 THEN 'test_mode'
  END AS VARCHAR) AS undesirable_reason, -- why it is no prospect; NULL when it is one
  CAST(r.company = 1 OR r.internal = 1 OR r.competitor = 1 AS BOOLEAN) AS has_company_domain, -- whether a domain or address that is no free mail was known
  CAST(r.next_date IS NULL AS BOOLEAN) AS is_latest -- whether this is what is known now
FROM running AS r
