/*
description: Identity calls (identify, group, alias) with their traits.
grain: one row per call id
key: [call_id]
not_null: [call_id, kind, user_key, account_key, previous_user_key, occurred_at, known_at, known_date, load_id]
accepted: {kind: [identify, group, alias]}
*/
CREATE TABLE IF NOT EXISTS raw.identities (
  call_id UUID NOT NULL, -- the call's own id when it is a UUID, else the md5 of it; without an id the md5 of its content and occurrence number
  kind VARCHAR NOT NULL, -- identify, group or alias
  user_key INTEGER NOT NULL, -- user the call is about, 0 when it names none
  account_key INTEGER NOT NULL, -- account of the call: groupId, else context.groupId, 0 when it names none
  previous_user_key INTEGER NOT NULL, -- alias: the user's earlier id; identify: the anonymous id sent along; else 0
  occurred_at TIMESTAMP NOT NULL, -- UTC instant of the call, client clock corrected by sentAt where the record allows
  known_at TIMESTAMP NOT NULL, -- UTC instant from which it may be used
  known_date DATE NOT NULL, -- later of the reporting days of known_at and occurred_at
  traits VARCHAR, -- JSON text of the traits object as sent; NULL when there is none
  load_id INTEGER NOT NULL, -- load that brought the row
  body_hash UBIGINT -- hash of the body without transport fields
)
