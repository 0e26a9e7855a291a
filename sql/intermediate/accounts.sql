/*
description: >
  Accounts seen by the cut, merged ones under the survivor: name, domain, owner, channel, sign-up, whom to call, and why an account is no
  prospect. Name, domain and owner are the latest said; the channel is the one said first, else the first touch.
grain: one row per account
key: [account_key]
not_null: [account_key, account_id]
incremental: [account_key]
accepted: {undesirable_reason: [internal, competitor, free_mail, title, test_mode]}
*/
WITH calls AS (
  SELECT i.account_key, i.occurred_at, i.told_at AS known_at, i.call_id, i.name, i.domain, i.owner, i.created_at
  FROM intermediate.placed_calls AS i
  WHERE i.kind = 'group' AND i.is_named
),

actions AS (
  SELECT e.account_key, e.event_id, e.occurred_at, e.told_at AS known_at
  FROM intermediate.placed_events AS e
  WHERE e.role = 'sales_action' AND e.is_named
),

customers AS (
  SELECT a.account_key, s.occurred_at, s.known_at, s.record_id, s.name, lower(trim(s.email)) AS email, a.linked_at AS seen_at, s.customer_created_at
  FROM intermediate.account_customers AS a
  CROSS JOIN config.clock AS c
  LEFT JOIN staging.stripe_customers AS s
    ON s.customer_id = a.customer_id AND s.known_at < c.known_at AND CASE WHEN s.kind = 'object' AND s.customer_created_at IS NOT NULL THEN s.customer_created_at < c.as_of ELSE s.occurred_at < c.as_of END
),

facts AS (
  SELECT k.account_key, 'name' AS fact, 1 AS source, k.name AS value, k.occurred_at, k.known_at, k.call_id AS said_by FROM calls AS k WHERE k.name IS NOT NULL
  UNION ALL
  SELECT k.account_key, 'name' AS fact, 2 AS source, k.name AS value, k.occurred_at, k.known_at, k.record_id AS said_by FROM customers AS k WHERE k.name IS NOT NULL
  UNION ALL
  SELECT k.account_key, 'domain' AS fact, 1 AS source, k.domain AS value, k.occurred_at, k.known_at, k.call_id AS said_by FROM calls AS k WHERE k.domain IS NOT NULL
  UNION ALL
  SELECT k.account_key, 'owner' AS fact, 1 AS source, k.owner AS value, k.occurred_at, k.known_at, k.call_id AS said_by FROM calls AS k WHERE k.owner IS NOT NULL
  UNION ALL
  SELECT k.account_key, 'owner' AS fact, 1 AS source, p.owner AS value, k.occurred_at, k.known_at, k.event_id AS said_by FROM actions AS k INNER JOIN staging.announced_owners AS p ON p.event_id = k.event_id WHERE p.owner IS NOT NULL
  UNION ALL
  SELECT k.account_key, 'email' AS fact, 1 AS source, k.email AS value, k.occurred_at, k.known_at, k.record_id AS said_by FROM customers AS k WHERE k.email IS NOT NULL
  UNION ALL
  SELECT h.account_key, 'channel' AS fact, 1 AS source, h.value, h.occurred_at, h.known_at, h.value AS said_by FROM intermediate.account_attributes AS h WHERE h.attribute = 'channel'
),

ranked AS (
  SELECT f.account_key, f.fact, f.value,
    row_number() OVER (PARTITION BY f.account_key, f.fact ORDER BY f.source, f.occurred_at DESC, f.known_at DESC, f.said_by) AS place
  FROM facts AS f
),

latest AS (
  SELECT
    r.account_key,
    max(CASE WHEN r.fact = 'name' THEN r.value END) AS name, max(CASE WHEN r.fact = 'domain' THEN r.value END) AS domain,
    max(CASE WHEN r.fact = 'owner' THEN r.value END) AS owner, max(CASE WHEN r.fact = 'email' THEN r.value END) AS billing_email,
    max(CASE WHEN r.fact = 'channel' THEN r.value END) AS channel
  FROM ranked AS r
  WHERE r.place = 1
  GROUP BY r.account_key
),

sightings AS (
  SELECT p.account_key, p.first_at AS seen_at FROM intermediate.account_people AS p
  UNION ALL
  SELECT k.account_key, least(k.seen_at, coalesce(k.customer_created_at, k.seen_at)) AS seen_at FROM customers AS k
  UNION ALL
  SELECT k.account_key, k.created_at AS seen_at FROM calls AS k WHERE k.created_at <= k.occurred_at
),

seen AS (
  SELECT s.account_key, min(s.seen_at) AS signed_up_at FROM sightings AS s GROUP BY s.account_key
),

described AS (
  SELECT
    s.account_key, a.account_id, l.name, l.domain AS own_domain, l.owner, l.channel, s.signed_up_at,
    CASE WHEN n.email IS NOT NULL THEN n.canonical_user_key END AS contact_user_key, CASE WHEN n.email IS NOT NULL THEN n.name END AS contact_name,
    coalesce(n.email, l.billing_email) AS contact_email, CASE WHEN n.email IS NOT NULL THEN n.title END AS contact_title, p.undesirable_reason
  FROM seen AS s
  INNER JOIN staging.accounts AS a ON a.account_key = s.account_key
  LEFT JOIN latest AS l ON l.account_key = s.account_key
  LEFT JOIN intermediate.contacts AS n ON n.account_key = s.account_key AND n.place = 1 AND NOT n.is_excluded
  LEFT JOIN intermediate.account_standing AS p ON p.account_key = s.account_key AND p.is_latest
),

free_mail AS (
  SELECT lower(x.domain) AS domain FROM config.excluded_domains AS x WHERE x.reason = 'free_mail' GROUP BY lower(x.domain)
)

SELECT
  CAST(d.account_key AS INTEGER) AS account_key, -- physical key, never shown to people
  CAST(d.account_id AS VARCHAR) AS account_id, -- your id of the account
  CAST(d.name AS VARCHAR) AS account_name, -- latest name said by a group call, else by its Stripe customer
  CAST(coalesce(d.own_domain, CASE WHEN m.domain IS NULL THEN nullif(split_part(d.contact_email, '@', 2), '') END) AS VARCHAR) AS domain, -- its domain: said, else of the contact's address unless that is free mail
  CAST(d.owner AS VARCHAR) AS owner, -- sales person it belongs to, latest said by a trait or a sales action
  CAST(d.channel AS VARCHAR) AS channel, -- how it came: as said, else by its first known touch
  CAST(d.signed_up_at AS TIMESTAMP) AS signed_up_at, -- createdAt of its group trait or first time seen, whichever is earlier
  CAST(d.contact_user_key AS INTEGER) AS contact_user_key, -- person sales should call; NULL when only billing knows an address
  CAST(d.contact_name AS VARCHAR) AS contact_name, -- name of the person
  CAST(d.contact_email AS VARCHAR) AS contact_email, -- address of the person, else of the Stripe customer
  CAST(d.contact_title AS VARCHAR) AS contact_title, -- job title of the person
  CAST(d.undesirable_reason AS VARCHAR) AS undesirable_reason -- why it is no prospect now; NULL when it is one
FROM described AS d
LEFT JOIN free_mail AS m ON m.domain = split_part(d.contact_email, '@', 2)
