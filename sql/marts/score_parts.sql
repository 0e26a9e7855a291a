/*
description: >-
  The parts of every trial's present score: rules that give or take points, and what the caps of their groups take
  away. They add up to the score exactly; each names the row it rests on.
grain: one row per trial and part
key: [trial_id, kind, part]
incremental: [trial_id]
accepted: {kind: [rule, cap], axis: [fit, engagement]}
checks:
  - name: parts_add_up_to_the_score
    sql: >-
      WITH newest AS (SELECT d.trial_id, max(d.trial_day) AS trial_day FROM intermediate.trial_days AS d GROUP BY d.trial_id)
      SELECT d.trial_id FROM newest AS n
      JOIN intermediate.trial_days AS d ON d.trial_id = n.trial_id AND d.trial_day = n.trial_day
      LEFT JOIN marts.score_parts AS p ON p.trial_id = d.trial_id
      GROUP BY d.trial_id, d.rule_score_hundredths
      HAVING d.rule_score_hundredths <> coalesce(sum(p.points_hundredths), 0)
*/
WITH newest AS (
    SELECT d.trial_id, max(d.trial_day) AS trial_day
    FROM intermediate.trial_days AS d
    GROUP BY d.trial_id
),
present AS (
    SELECT d.*
    FROM intermediate.trial_days AS d
    JOIN newest AS n ON n.trial_id = d.trial_id AND n.trial_day = d.trial_day
),
rules AS (
    SELECT d.trial_id, d.account_key, d.trial_day, d.activity_date, r.rule AS part, r.axis, r.score_group, r.ordinal,
        r.milestone, coalesce(r.condition, r.milestone) AS trigger_text,
        CASE r.rule WHEN 'each_rule' THEN d.each_rule_points ELSE 0 END AS points,
        CAST(CASE r.milestone WHEN 'each_milestone' THEN d.each_milestone_on END AS DATE) AS reached_on
    FROM present AS d
    CROSS JOIN config.score_rules AS r
),
caps AS (
    SELECT d.trial_id, d.trial_day, d.activity_date, g.score_group, g.axis, g.cap,
        CASE g.score_group WHEN 'each_group' THEN d.each_group_cap ELSE 0 END AS points
    FROM present AS d
    CROSS JOIN config.score_groups AS g
),
proofs AS ( -- the first event that reached the milestone, as known on the day of the score
    SELECT r.trial_id, r.part, m.evidence_id,
        row_number() OVER (PARTITION BY r.trial_id, r.part ORDER BY m.occurred_at, m.evidence_id) AS place
    FROM rules AS r
    JOIN intermediate.milestone_days AS m
        ON m.account_key = r.account_key AND m.milestone = r.milestone AND m.activity_date = r.reached_on
        AND m.known_date <= r.activity_date
    WHERE r.points <> 0
),
parts AS (
    SELECT r.trial_id, 'rule' AS kind, r.part, r.axis, r.score_group, r.points, r.reached_on, r.ordinal, r.trial_day,
        CASE WHEN r.milestone IS NULL THEN concat('trial_days:', r.trial_id, ':', CAST(r.trial_day AS VARCHAR))
            ELSE p.evidence_id END AS evidence_id,
        CASE WHEN r.milestone IS NULL THEN concat(r.trigger_text, ' on ', CAST(r.activity_date AS VARCHAR))
            ELSE concat(r.milestone, ' on ', CAST(r.reached_on AS VARCHAR)) END AS evidence_text
    FROM rules AS r
    LEFT JOIN proofs AS p ON p.trial_id = r.trial_id AND p.part = r.part AND p.place = 1
    WHERE r.points <> 0
    UNION ALL
    SELECT c.trial_id, 'cap' AS kind, c.score_group AS part, c.axis, c.score_group, c.points, NULL AS reached_on,
        1000 AS ordinal, c.trial_day, NULL AS evidence_id,
        concat('the rules of ', c.score_group, ' give at most ', CAST(c.cap AS VARCHAR), ' points') AS evidence_text
    FROM caps AS c
    WHERE c.points <> 0
)
SELECT
    CAST(p.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(p.trial_day AS INTEGER) AS trial_day, -- the trial day the score is of
    CAST(p.kind AS VARCHAR) AS kind, -- rule, or cap for what a group's limit takes away
    CAST(p.part AS VARCHAR) AS part, -- key of the rule or group
    CAST(p.axis AS VARCHAR) AS axis, -- fit or engagement
    CAST(p.score_group AS VARCHAR) AS score_group, -- group the rule belongs to
    CAST(p.points AS BIGINT) AS points_hundredths, -- hundredths of a point
    CAST(p.reached_on AS DATE) AS reached_on, -- day of the milestone; NULL for conditions
    CAST(p.evidence_id AS VARCHAR) AS evidence_id, -- the event, Stripe record or trial day it rests on
    CAST(p.evidence_text AS VARCHAR) AS evidence_text, -- the same for people
    CAST(p.ordinal AS INTEGER) AS ordinal -- its place in the configuration
FROM parts AS p
