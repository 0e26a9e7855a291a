/*
description: One row per load, written in the same transaction as the rows it brought. received = loaded + duplicate + quarantined + forgotten.
grain: one row per load
key: [load_id]
not_null: [load_id, landed_at, received, loaded, duplicate, quarantined, forgotten]
*/
CREATE TABLE IF NOT EXISTS raw.loads (
  load_id INTEGER NOT NULL, -- number of the load, from 1
  landed_at TIMESTAMP NOT NULL, -- our clock when the load ran
  received BIGINT NOT NULL, -- records in the segments of this load
  loaded BIGINT NOT NULL, -- records that ended in a table
  duplicate BIGINT NOT NULL, -- records already known
  quarantined BIGINT NOT NULL, -- records refused, with a reason
  declared VARCHAR, -- fingerprint of what shapes raw: declared event names, reporting zone, account metadata key, livemode
  first_segment INTEGER, -- first landing segment of this load
  last_segment INTEGER, -- last landing segment of this load, inclusive
  forgotten BIGINT NOT NULL -- records of accounts and users that were forgotten, of which nothing is kept
)
