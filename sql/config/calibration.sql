/*
description: Append-only versions of the benchmarks; version 0 is the configured prior.
*/
CREATE TABLE IF NOT EXISTS config.calibration (
    version INTEGER NOT NULL, -- number of the version
    valid_from DATE NOT NULL, -- first day it applies to
    benchmark_events_per_day INTEGER NOT NULL -- capped value events of an active day that count as full depth
)
