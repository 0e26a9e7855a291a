/*
description: One row per rule of the rule score.
*/
CREATE TABLE IF NOT EXISTS config.score_rules (
    rule VARCHAR NOT NULL, -- key of the rule
    score_group VARCHAR NOT NULL, -- group whose cap it falls under
    axis VARCHAR NOT NULL, -- fit or engagement
    points INTEGER NOT NULL, -- points at full weight
    lifespan_days INTEGER, -- days over which the points decay to zero; NULL for no decay
    milestone VARCHAR, -- milestone that gives the points, or NULL
    condition VARCHAR, -- condition that gives the points, or NULL
    text VARCHAR NOT NULL, -- the reason people read
    ordinal INTEGER NOT NULL -- its place, from 0
)
