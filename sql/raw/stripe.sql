/*
description: Stripe events and object snapshots of any API version, bodies kept as received. Events are deduplicated by event id; a snapshot equal to the object's previous one is dropped.
grain: one row per Stripe event, or per object and distinct successive snapshot
key: [record_id]
not_null: [record_id, kind, known_at, landed_at, object, load_order, load_id]
accepted: {kind: [event, object]}
*/
CREATE TABLE IF NOT EXISTS raw.stripe (
  record_id UUID NOT NULL, -- md5 of the event id; for a snapshot of object type, id, content and landing instant
  kind VARCHAR NOT NULL, -- event: an envelope saying that something happened; object: a snapshot of a state
  event_id VARCHAR, -- Stripe's event id; NULL for snapshots
  event_type VARCHAR, -- such as customer.subscription.updated; NULL for snapshots
  object_type VARCHAR, -- such as subscription, invoice, customer
  object_id VARCHAR, -- id of the object; NULL where Stripe gives none (an upcoming invoice, a discount of old versions)
  livemode BOOLEAN, -- false for test mode, NULL where the body does not say
  api_version VARCHAR, -- version the event was rendered in; NULL for snapshots and old envelopes
  created_at TIMESTAMP, -- kind event: when it happened; kind object: the object's own created, NULL where it has none
  known_at TIMESTAMP NOT NULL, -- events of a file or list: created; webhooks and snapshots: landed_at
  landed_at TIMESTAMP NOT NULL, -- our clock when the file was landed or the request came
  object VARCHAR NOT NULL, -- JSON text of data.object, or of the snapshot, as received
  previous VARCHAR, -- JSON text of data.previous_attributes as received; NULL where there is none
  load_order BIGINT NOT NULL, -- order of arrival over all loads: landing segment, then record in it
  load_id INTEGER NOT NULL -- load that brought the row
)
