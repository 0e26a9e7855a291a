/*
description: Job titles that make an account undesirable.
*/
CREATE TABLE IF NOT EXISTS config.excluded_titles (
    title VARCHAR NOT NULL -- lower case
)
