/*
description: The rules of the rule score as they were when this generation was made.
grain: one row per rule
key: [rule]
accepted: {axis: [fit, engagement]}
*/
SELECT
    CAST(r.rule AS VARCHAR) AS rule, -- key of the rule
    CAST(r.score_group AS VARCHAR) AS score_group, -- group whose cap it falls under
    CAST(r.axis AS VARCHAR) AS axis, -- fit or engagement
    CAST(r.points AS INTEGER) AS points, -- points at full weight
    CAST(r.lifespan_days AS INTEGER) AS lifespan_days, -- days over which they decay to zero; NULL for no decay
    CAST(r.milestone AS VARCHAR) AS milestone, -- milestone that gives them
    CAST(r.condition AS VARCHAR) AS condition, -- condition that gives them
    CAST(r.text AS VARCHAR) AS text, -- the reason people read
    CAST(g.cap AS INTEGER) AS cap, -- most points its group gives; NULL for no cap
    CAST(r.ordinal AS INTEGER) AS ordinal -- its place
FROM config.score_rules AS r
LEFT JOIN config.score_groups AS g ON g.score_group = r.score_group
