/*
description: One row per group of score rules.
*/
CREATE TABLE IF NOT EXISTS config.score_groups (
    score_group VARCHAR NOT NULL, -- key of the group
    axis VARCHAR NOT NULL, -- fit or engagement
    cap INTEGER -- most points its rules give together; NULL for no cap
)
