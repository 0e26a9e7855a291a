/*
description: User ids whose usage is left out (test users).
*/
CREATE TABLE IF NOT EXISTS config.excluded_users (
    user_id VARCHAR NOT NULL -- the id as received
)
