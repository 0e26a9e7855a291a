-- Start raw anew; landing holds everything that is needed to fill it again. What was built of it tells nothing any more.
DROP SCHEMA IF EXISTS state CASCADE;
DELETE FROM raw.events; DELETE FROM raw.event_properties; DELETE FROM raw.identities; DELETE FROM raw.stripe; DELETE FROM raw.quarantine;
DELETE FROM raw.loads; DELETE FROM raw.dim_account; DELETE FROM raw.dim_user; DELETE FROM raw.dim_event
