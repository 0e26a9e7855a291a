/*
description: One row per calendar day of the reporting time zone.
*/
CREATE TABLE IF NOT EXISTS config.calendar (
    day DATE NOT NULL, -- the local calendar day
    day_no INTEGER NOT NULL, -- days since 1970-01-01
    starts_at TIMESTAMP NOT NULL, -- the UTC instant at which the local day begins
    ends_at TIMESTAMP NOT NULL, -- the UTC instant at which the next local day begins (days of 23 and 25 hours included)
    week_start DATE NOT NULL, -- Monday of the ISO week
    month_start DATE NOT NULL, -- first day of the month
    iso_dow INTEGER NOT NULL, -- 1 = Monday … 7 = Sunday
    is_business_day BOOLEAN NOT NULL -- Monday to Friday
)
