/*
description: The moment the results are computed for. One row.
*/
CREATE TABLE IF NOT EXISTS config.clock (
    as_of TIMESTAMP NOT NULL, -- everything that occurred strictly before this instant counts (UTC)
    known_at TIMESTAMP NOT NULL, -- everything that was known strictly before this instant counts (UTC)
    as_of_date DATE NOT NULL, -- the local day that holds the last instant before as_of
    as_of_no INTEGER NOT NULL, -- as_of_date as days since 1970-01-01
    complete_no INTEGER NOT NULL, -- the last local day that is over: as_of_no, or the day before while that one is not
    is_day_complete BOOLEAN NOT NULL -- whether as_of is exactly the end of as_of_date
)
