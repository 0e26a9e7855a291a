/*
description: E-mail of an account by day and by the day it became known. Machines are counted apart.
grain: one row per account, reporting day and day known
key: [account_key, activity_date, known_date]
not_null: [account_key, activity_date, known_date]
incremental: [account_key]
*/
SELECT
  CAST(e.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(e.activity_date AS DATE) AS activity_date, -- day it happened
  CAST(e.known_date AS DATE) AS known_date, -- day from which it may be used
  CAST(sum(CASE WHEN e.role = 'email_sent' THEN 1 ELSE 0 END) AS INTEGER) AS sent, -- messages sent
  CAST(sum(CASE WHEN e.role = 'email_delivered' THEN 1 ELSE 0 END) AS INTEGER) AS delivered, -- messages delivered
  CAST(sum(CASE WHEN e.role = 'email_opened' AND NOT e.is_machine THEN 1 ELSE 0 END) AS INTEGER) AS opened, -- openings not known to be a proxy's
  CAST(sum(CASE WHEN e.role = 'email_clicked' AND NOT e.is_machine THEN 1 ELSE 0 END) AS INTEGER) AS clicked, -- clicks not known to be a scanner's
  CAST(sum(CASE WHEN e.role = 'email_replied' THEN 1 ELSE 0 END) AS INTEGER) AS replied, -- replies
  CAST(sum(CASE WHEN e.role = 'email_unsubscribed' THEN 1 ELSE 0 END) AS INTEGER) AS unsubscribed, -- unsubscriptions
  CAST(sum(CASE WHEN e.role = 'email_bounced' THEN 1 ELSE 0 END) AS INTEGER) AS bounced, -- bounces
  CAST(sum(CASE WHEN e.role = 'email_complained' THEN 1 ELSE 0 END) AS INTEGER) AS complained, -- marked as spam
  CAST(sum(CASE WHEN e.is_machine THEN 1 ELSE 0 END) AS INTEGER) AS machine -- openings by privacy proxies and clicks by link scanners
FROM intermediate.email_events AS e
GROUP BY e.account_key, e.activity_date, e.known_date
