/*
description: One row per milestone.
*/
CREATE TABLE IF NOT EXISTS config.milestones (
    milestone VARCHAR NOT NULL, -- key of the milestone
    ordinal INTEGER NOT NULL -- its place, from 0
)
