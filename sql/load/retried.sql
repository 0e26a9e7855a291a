-- Quarantined records that were landed again by one of this load's segments.
CREATE OR REPLACE TEMP TABLE retried (quarantine_id UUID, retried_at TIMESTAMP)
