/*
description: One row per declared attribute.
*/
CREATE TABLE IF NOT EXISTS config.attributes (
    attribute VARCHAR NOT NULL, -- column name: attr_<name>
    trait VARCHAR NOT NULL, -- the trait it is read from
    subject VARCHAR NOT NULL, -- account or user
    type VARCHAR NOT NULL -- text, number or boolean
)
