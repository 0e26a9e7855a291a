/*
description: The moment this generation was computed for, and the parameters the definitions of its numbers use.
grain: one row
key: [as_of]
*/
SELECT
    CAST(c.as_of AS TIMESTAMP) AS as_of, -- everything that occurred strictly before this instant counts
    CAST(c.known_at AS TIMESTAMP) AS known_at, -- everything that was known strictly before this instant counts
    CAST(c.as_of_date AS DATE) AS as_of_date, -- the local day that holds the last instant before as_of
    CAST(c.as_of_no AS INTEGER) AS as_of_no, -- as_of_date as days since 1970-01-01
    CAST(c.is_day_complete AS BOOLEAN) AS is_day_complete, -- whether as_of is exactly the end of as_of_date
    CAST(p.grace_days AS INTEGER) AS grace_days, -- days after the end in which a payment still belongs to the trial
    CAST(p.collection_lag_hours AS INTEGER) AS collection_lag_hours, -- hours that collecting a payment may take on top
    CAST(p.freemium_days AS INTEGER) AS freemium_days -- horizon of a freemium trial
FROM config.clock AS c
CROSS JOIN config.parameters AS p
