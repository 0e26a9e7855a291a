/*
description: Which event names reach which milestone.
*/
CREATE TABLE IF NOT EXISTS config.event_milestones (
    event_key INTEGER NOT NULL, -- key of raw.dim_event
    milestone VARCHAR NOT NULL -- key of the milestone
)
