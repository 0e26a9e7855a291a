/*
description: Append-only percentile grid of cumulative value events by trial day and card type.
*/
CREATE TABLE IF NOT EXISTS config.calibration_grid (
    version INTEGER NOT NULL, -- version of config.calibration
    trial_day INTEGER NOT NULL, -- day of the trial
    card_type VARCHAR NOT NULL, -- card_required, cardless or unknown
    trials INTEGER NOT NULL, -- trials the row rests on
    p05 INTEGER NOT NULL, -- nearest-rank 05 th percentile of cumulative value events
    p10 INTEGER NOT NULL, -- nearest-rank 10 th percentile of cumulative value events
    p15 INTEGER NOT NULL, -- nearest-rank 15 th percentile of cumulative value events
    p20 INTEGER NOT NULL, -- nearest-rank 20 th percentile of cumulative value events
    p25 INTEGER NOT NULL, -- nearest-rank 25 th percentile of cumulative value events
    p30 INTEGER NOT NULL, -- nearest-rank 30 th percentile of cumulative value events
    p35 INTEGER NOT NULL, -- nearest-rank 35 th percentile of cumulative value events
    p40 INTEGER NOT NULL, -- nearest-rank 40 th percentile of cumulative value events
    p45 INTEGER NOT NULL, -- nearest-rank 45 th percentile of cumulative value events
    p50 INTEGER NOT NULL, -- nearest-rank 50 th percentile of cumulative value events
    p55 INTEGER NOT NULL, -- nearest-rank 55 th percentile of cumulative value events
    p60 INTEGER NOT NULL, -- nearest-rank 60 th percentile of cumulative value events
    p65 INTEGER NOT NULL, -- nearest-rank 65 th percentile of cumulative value events
    p70 INTEGER NOT NULL, -- nearest-rank 70 th percentile of cumulative value events
    p75 INTEGER NOT NULL, -- nearest-rank 75 th percentile of cumulative value events
    p80 INTEGER NOT NULL, -- nearest-rank 80 th percentile of cumulative value events
    p85 INTEGER NOT NULL, -- nearest-rank 85 th percentile of cumulative value events
    p90 INTEGER NOT NULL, -- nearest-rank 90 th percentile of cumulative value events
    p95 INTEGER NOT NULL -- nearest-rank 95 th percentile of cumulative value events
)
