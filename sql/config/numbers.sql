/*
description: The integers 0 to 400, the spine of dense tables.
*/
CREATE TABLE IF NOT EXISTS config.numbers (
    n INTEGER NOT NULL -- the number
)
