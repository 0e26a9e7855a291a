/*
description: >
  E-mail events (sent, delivered, opened, clicked, replied, bounced, unsubscribed, complained) with the account they belong to: the one the
  event names, else the user's, else that of the user whose e-mail address the message went to. Openings by privacy proxies and clicks by
  link scanners are kept and flagged; they are nobody's response. Messages to excluded people and to nobody known are left out.
grain: one row per e-mail event
key: [event_id]
not_null: [event_id, account_key, role, occurred_at, activity_date, known_at, known_date, is_machine, is_response]
incremental: [event_id]
accepted: {role: [email_sent, email_delivered, email_opened, email_clicked, email_replied, email_unsubscribed, email_bounced, email_complained]}
*/
WITH mails AS (
  SELECT
    e.event_id, e.account_key, e.user_key, e.role, e.occurred_at, e.activity_date, e.known_at, e.known_date,
    p.recipient, p.campaign_id, p.campaign_name, p.message_id, p.link_url,
    (e.role = 'email_opened' AND (coalesce(p.is_privacy_proxy, FALSE) OR coalesce(p.is_bot, FALSE)))
    OR (e.role = 'email_clicked' AND coalesce(p.is_bot, FALSE)) AS is_machine
  FROM intermediate.notable_events AS e
  LEFT JOIN staging.event_properties AS p ON p.event_id = e.event_id
  WHERE substr(e.role, 1, 6) = 'email_'
),

linked AS (
  -- a message goes to the user the event names, else to the one its address belongs to
  SELECT m.*,
    CASE WHEN m.user_key <> 0 THEN m.user_key ELSE a.user_key END AS person_key, a.known_at AS address_at, a.known_date AS address_date,
    CASE WHEN m.user_key <> 0 THEN l.announced_key ELSE b.announced_key END AS home_key,
    CASE WHEN m.user_key <> 0 THEN l.known_at ELSE b.known_at END AS linked_at, CASE WHEN m.user_key <> 0 THEN l.known_date ELSE b.known_date END AS linked_date,
    CASE WHEN m.user_key <> 0 THEN u.excluded_date ELSE v.excluded_date END AS excluded_date,
    CASE WHEN m.user_key <> 0 THEN n.account_key ELSE o.account_key END AS merged_home_key,
    CASE WHEN m.user_key <> 0 THEN n.known_at ELSE o.known_at END AS merged_home_at, CASE WHEN m.user_key <> 0 THEN n.known_date ELSE o.known_date END AS merged_home_date
  FROM mails AS m
  LEFT JOIN intermediate.user_addresses AS a ON a.email = m.recipient AND a.place = 1 AND m.user_key = 0
  LEFT JOIN intermediate.user_links AS l ON l.user_key = m.user_key
  LEFT JOIN intermediate.user_links AS b ON b.user_key = a.user_key
  LEFT JOIN intermediate.users AS u ON u.user_key = m.user_key
  LEFT JOIN intermediate.users AS v ON v.user_key = a.user_key
  LEFT JOIN intermediate.account_links AS n ON n.announced_key = l.announced_key
  LEFT JOIN intermediate.account_links AS o ON o.announced_key = b.announced_key
),

placed AS (
  SELECT k.*,
    CASE WHEN k.account_key <> 0 THEN coalesce(m.account_key, k.account_key) ELSE coalesce(k.merged_home_key, k.home_key) END AS placed_key,
    CASE WHEN k.account_key <> 0 THEN k.known_at ELSE greatest(k.known_at, coalesce(k.address_at, k.known_at), coalesce(k.linked_at, k.known_at)) END AS placed_at,
    CASE WHEN k.account_key <> 0 THEN k.known_date ELSE greatest(k.known_date, coalesce(k.address_date, k.known_date), coalesce(k.linked_date, k.known_date)) END AS placed_date,
    CASE WHEN k.account_key <> 0 THEN m.known_at ELSE k.merged_home_at END AS merged_at, CASE WHEN k.account_key <> 0 THEN m.known_date ELSE k.merged_home_date END AS merged_date
  FROM linked AS k
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = k.account_key
)

SELECT
  CAST(p.event_id AS VARCHAR) AS event_id, -- the event
  CAST(p.placed_key AS INTEGER) AS account_key, -- account after merges
  CAST(p.person_key AS INTEGER) AS user_key, -- user the message went to, NULL when unknown
  CAST(p.role AS VARCHAR) AS role, -- what happened
  CAST(p.occurred_at AS TIMESTAMP) AS occurred_at, -- when
  CAST(p.activity_date AS DATE) AS activity_date, -- reporting day of it
  CAST(greatest(p.placed_at, coalesce(p.merged_at, p.placed_at)) AS TIMESTAMP) AS known_at, -- when it and the links it needed were known
  CAST(greatest(p.placed_date, coalesce(p.merged_date, p.placed_date)) AS DATE) AS known_date, -- reporting day from which it may be used
  CAST(p.campaign_id AS VARCHAR) AS campaign_id, -- campaign
  CAST(p.campaign_name AS VARCHAR) AS campaign_name, -- its name
  CAST(p.message_id AS VARCHAR) AS message_id, -- message
  CAST(p.link_url AS VARCHAR) AS link_url, -- link clicked
  CAST(p.is_machine AS BOOLEAN) AS is_machine, -- opened by a privacy proxy or clicked by a link scanner
  CAST(p.role IN ('email_clicked', 'email_replied') AND NOT p.is_machine AS BOOLEAN) AS is_response -- a person clicked or replied
FROM placed AS p
WHERE p.placed_key IS NOT NULL AND (p.excluded_date IS NULL OR p.excluded_date > p.placed_date)
