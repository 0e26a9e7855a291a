/*
description: One row per segment, built in or configured.
*/
CREATE TABLE IF NOT EXISTS config.segments (
    segment VARCHAR NOT NULL, -- key of the segment
    bit BIGINT NOT NULL, -- its bit in segment_days.members
    ordinal INTEGER NOT NULL, -- its place, from 0
    title VARCHAR, -- what people read
    owner VARCHAR, -- who answers for the definition
    description VARCHAR, -- what it means
    version VARCHAR NOT NULL, -- version of the definition
    enter_condition VARCHAR NOT NULL, -- the condition to enter, as written
    exit_condition VARCHAR -- the condition to leave, as written; NULL means not enter
)
