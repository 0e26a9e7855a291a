/*
description: One row per catalogued feature.
*/
CREATE TABLE IF NOT EXISTS config.features (
    feature VARCHAR NOT NULL, -- key of the feature
    feature_bit BIGINT NOT NULL, -- its bit in feature masks
    ordinal INTEGER NOT NULL -- its place in the configuration, from 0
)
