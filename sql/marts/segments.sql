/*
description: Every segment with its definition and how many trials it holds at the clock.
grain: one row per segment
key: [segment]
not_null: [live_trials, members, ever_members, version]
*/
WITH present AS (
    SELECT s.segment, count(*) AS members, count(CASE WHEN t.is_active THEN 1 END) AS live_trials
    FROM marts.trial_segments AS s
    JOIN marts.trials AS t ON t.trial_id = s.trial_id
    GROUP BY s.segment
),
stays AS (
    SELECT m.segment, count(DISTINCT m.trial_id) AS ever_members,
        count(DISTINCT CASE WHEN m.entered_on > c.as_of_date - INTERVAL 7 DAY THEN m.trial_id END) AS entered_7d,
        count(DISTINCT CASE WHEN m.left_on > c.as_of_date - INTERVAL 7 DAY AND m.left_on <= c.as_of_date
            THEN m.trial_id END) AS left_7d
    FROM marts.memberships AS m
    CROSS JOIN marts.clock AS c
    GROUP BY m.segment
)
SELECT
    CAST(s.segment AS VARCHAR) AS segment, -- key of the segment
    CAST(s.title AS VARCHAR) AS title, -- what people read
    CAST(coalesce(p.live_trials, 0) AS BIGINT) AS live_trials, -- members whose trial runs at the clock
    CAST(coalesce(p.members, 0) AS BIGINT) AS members, -- members at the clock, ended trials inside their horizon too
    CAST(coalesce(h.ever_members, 0) AS BIGINT) AS ever_members, -- trials that were ever a member
    CAST(coalesce(h.entered_7d, 0) AS BIGINT) AS entered_7d, -- trials that entered in the last 7 days
    CAST(coalesce(h.left_7d, 0) AS BIGINT) AS left_7d, -- trials that left in the last 7 days
    CAST(s.owner AS VARCHAR) AS owner, -- who answers for the definition
    CAST(s.description AS VARCHAR) AS description, -- what it means
    CAST(s.version AS VARCHAR) AS version, -- version of the definition
    CAST(s.enter_condition AS VARCHAR) AS enter_condition, -- the condition to enter
    CAST(s.exit_condition AS VARCHAR) AS exit_condition, -- the condition to leave; NULL means not enter
    CAST(s.ordinal AS INTEGER) AS ordinal -- its place
FROM config.segments AS s
LEFT JOIN present AS p ON p.segment = s.segment
LEFT JOIN stays AS h ON h.segment = s.segment
