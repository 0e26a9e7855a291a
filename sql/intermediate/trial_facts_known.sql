/*
description: On which trial day each fact about a trial became known, before they are laid side by side. A fact known before the start counts from day 1.
grain: one row per trial, trial day and fact
key: [trial_id, k, fact, fact_no]
not_null: [trial_id, account_key, k, fact, fact_no]
incremental: [account_key]
determines: {trial_id: account_key}
accepted: {fact: [version, card, card_removed, card_at_start, ended, repeat, add_on]}
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, day_no, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, day_no, starts_at, ends_at FROM config.calendar
),
facts AS (
  SELECT t.trial_id, t.account_key, 'version' AS fact, v.version_no AS fact_no, CASE WHEN v.is_trialing THEN v.version_no ELSE 0 END AS trialing_no, greatest(v.at, v.known_at) AS at
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.billing_trials AS b ON b.trial_id = t.trial_id
  INNER JOIN intermediate.subscription_versions AS v ON v.subscription_id = t.subscription_id AND v.version_no >= b.first_version_no
    AND (b.next_version_no IS NULL OR v.version_no < b.next_version_no)
  UNION ALL
  SELECT t.trial_id, t.account_key, 'version', 1, 1, greatest(t.started_at, t.known_at) FROM intermediate.trial_bases AS t WHERE t.source = 'event'
  UNION ALL
  SELECT t.trial_id, t.account_key, 'ended', 1, 0, min(e.known_at)
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.trial_announcements AS e
    ON e.account_key = t.account_key AND e.announced_key = t.announced_key AND e.role = 'trial_ended' AND e.occurred_at = coalesce(t.ended_at, t.ends_at)
  WHERE t.source = 'event'
  GROUP BY t.trial_id, t.account_key
  UNION ALL
  SELECT t.trial_id, t.account_key, 'card', row_number() OVER (PARTITION BY t.trial_id ORDER BY m.payment_method_id), 0, greatest(m.first_at, m.first_known_at)
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.payment_methods AS m ON m.customer_id = t.customer_id
  UNION ALL
  SELECT t.trial_id, t.account_key, 'card_removed', row_number() OVER (PARTITION BY t.trial_id ORDER BY m.payment_method_id), 0,
    greatest(m.removed_at, m.removed_known_at, m.first_at, m.first_known_at)
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.payment_methods AS m ON m.customer_id = t.customer_id
  WHERE m.removed_at >= m.first_at
  UNION ALL
  SELECT t.trial_id, t.account_key, 'card_at_start', row_number() OVER (PARTITION BY t.trial_id ORDER BY m.payment_method_id), 0, greatest(m.first_at, m.first_known_at)
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS p
  INNER JOIN intermediate.payment_methods AS m ON m.customer_id = t.customer_id
  WHERE m.first_at <= t.started_at + p.card_at_start_minutes * INTERVAL 1 MINUTE
    AND (m.removed_at IS NULL OR m.removed_at > t.started_at + p.card_at_start_minutes * INTERVAL 1 MINUTE)
  UNION ALL
  SELECT t.trial_id, t.account_key, CASE WHEN a.occurred_at <= t.started_at + p.card_at_start_minutes * INTERVAL 1 MINUTE THEN 'card_at_start' ELSE 'card' END,
    1000000 + row_number() OVER (PARTITION BY t.trial_id ORDER BY a.event_id), 0, a.known_at
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS p
  INNER JOIN intermediate.trial_announcements AS a ON a.account_key = t.account_key AND a.role = 'card_added'
  WHERE t.source = 'event'
  UNION ALL  -- an earlier trial was over, known once that trial was
  SELECT t.trial_id, t.account_key, 'repeat', 1, 0, min(e.known_at)
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.trial_places AS n ON n.trial_id = t.trial_id
  INNER JOIN intermediate.trial_bases AS e ON e.account_key = t.account_key AND e.trial_id <> t.trial_id
  INNER JOIN intermediate.trial_outcomes AS o ON o.trial_id = e.trial_id
  WHERE NOT n.is_first_trial AND e.kind = 'trial' AND NOT e.is_merged AND o.effective_end_at <= t.started_at
  GROUP BY t.trial_id, t.account_key
  UNION ALL
  SELECT t.trial_id, t.account_key, 'add_on', 1, 0, n.add_on_known_at
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.trial_places AS n ON n.trial_id = t.trial_id
  WHERE n.is_add_on
),
days AS (
  SELECT f.*, t.days_kept, CASE WHEN d.day_no >= t.start_no THEN d.day_no - t.start_no + 1 ELSE 1 END AS k
  FROM facts AS f
  INNER JOIN intermediate.trial_dates AS t ON t.trial_id = f.trial_id AND t.account_key = f.account_key
  INNER JOIN instant_days AS d ON d.utc_date = CAST(f.at AS DATE) AND f.at >= d.starts_at AND f.at < d.ends_at
)
SELECT
  CAST(trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(account_key AS INTEGER) AS account_key, -- account, merges followed
  CAST(k AS INTEGER) AS k, -- trial day by whose end the fact was known
  CAST(fact AS VARCHAR) AS fact, -- what became known
  CAST(fact_no AS INTEGER) AS fact_no, -- subscription version of a version, else a running number
  CAST(trialing_no AS INTEGER) AS trialing_no -- the version when it is a trialing one, else 0
FROM days
WHERE k <= days_kept
