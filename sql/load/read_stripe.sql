-- Read `frames` of Stripe records into `stripe_records`. The document is one of: an event envelope of any API version, an object,
-- or the data of an event ({object, previous_attributes}), which proves a state but not when it was reached.
-- $livemode is 'true', 'false' or 'any'; $stripe_account is the account whose data this is, '' where it is not known.
INSERT INTO stripe_records
WITH told AS (
  SELECT segment, i, n, o, arrived_at, raw, b64, CASE WHEN is_forgotten(raw, b64) THEN 'forgotten' ELSE coalesce(bad, json_problem(raw)) END AS problem, detail FROM frames
),
fields AS (
  SELECT *, CASE WHEN problem IS NULL THEN json_extract_string(raw, [
    '$.object', '$.id', '$.type', '$.created', '$.livemode', '$.api_version', '$.data.object', '$.data.previous_attributes',
    '$.data.object.object', '$.data.object.id', '$.object.object', '$.object.id', '$.object.created', '$.object.livemode',
    '$.previous_attributes', '$.data.object.livemode', '$.account']) END AS v
  FROM told
),
shaped AS (
  SELECT *,
    CASE WHEN v[1] = 'v2.core.event' THEN 'thin'
      WHEN v[1] = 'event' THEN 'event'
      WHEN starts_with(v[1], '{') THEN 'data'
      WHEN v[1] IS NOT NULL AND NOT starts_with(v[1], '[') THEN 'object' END AS shape
  FROM fields
),
named AS (
  SELECT *,
    CASE shape WHEN 'event' THEN v[9] WHEN 'data' THEN v[11] WHEN 'object' THEN v[1] END AS object_type,
    CASE shape WHEN 'event' THEN v[10] WHEN 'data' THEN v[12] WHEN 'object' THEN v[2] END AS object_id,
    CASE shape WHEN 'event' THEN v[7] WHEN 'data' THEN v[1] WHEN 'object' THEN raw END AS object,
    CASE shape WHEN 'event' THEN v[8] WHEN 'data' THEN v[15] END AS previous,
    TRY_CAST(CASE shape WHEN 'event' THEN coalesce(v[5], v[16]) WHEN 'data' THEN v[14] ELSE v[5] END AS BOOLEAN) AS livemode,
    CASE shape WHEN 'data' THEN v[13] ELSE v[4] END AS created_text
  FROM shaped
),
judged AS (
  SELECT n.*, s.load_id, coalesce(n.arrived_at, s.landed_at) AS landed_at, epoch_instant(n.created_text) AS created_at,
    CASE WHEN n.problem IS NOT NULL THEN n.problem
      WHEN n.shape IS NULL THEN 'unknown_shape'
      WHEN n.shape = 'thin' THEN 'thin_event'
      WHEN n.shape = 'event' AND coalesce(trim(n.v[2]), '') = '' THEN 'no_event_id'
      WHEN n.shape = 'event' AND coalesce(trim(n.v[3]), '') = '' THEN 'no_event_type'
      WHEN n.shape = 'event' AND (n.object IS NULL OR NOT starts_with(n.object, '{')) THEN 'no_object'
      WHEN n.object_type IS NULL OR starts_with(n.object_type, '{') OR starts_with(n.object_type, '[') THEN 'no_object_type'
      WHEN n.shape = 'event' AND epoch_instant(n.created_text) IS NULL THEN 'bad_timestamp'
      WHEN $livemode <> 'any' AND n.livemode IS NOT NULL AND CAST(n.livemode AS VARCHAR) <> $livemode THEN 'livemode_mismatch'
      WHEN n.shape = 'event' AND $stripe_account <> '' AND n.v[17] <> $stripe_account THEN 'other_account'
    END AS reason
  FROM named AS n JOIN segments AS s ON s.segment = n.segment
)
SELECT segment, i, n, o,
  CASE shape WHEN 'event' THEN 'event' ELSE 'object' END,
  CASE shape WHEN 'event' THEN v[2] END, CASE shape WHEN 'event' THEN v[3] END, object_type, object_id, livemode,
  CASE shape WHEN 'event' THEN v[6] END,
  created_at, CASE WHEN shape = 'event' AND arrived_at IS NULL THEN created_at ELSE landed_at END, landed_at,
  object, CASE WHEN starts_with(previous, '{') THEN previous END,
  CASE WHEN reason IS NOT NULL THEN NULL
    WHEN shape = 'event' THEN concat_ws(chr(31), v[3], CAST(epoch(created_at) AS BIGINT), coalesce(object_id, ''))
    ELSE md5(CAST(json_extract(object, '$') AS VARCHAR)) END,
  reason,
  CASE reason WHEN 'livemode_mismatch' THEN 'livemode ' || CAST(livemode AS VARCHAR) || ', [stripe] livemode asks for ' || $livemode
    WHEN 'other_account' THEN concat('account ', v[17], ', this workspace holds ', $stripe_account)
    WHEN 'thin_event' THEN concat_ws(' ', v[1], v[3]) WHEN 'bad_timestamp' THEN concat('created ', coalesce(created_text, 'is missing')) ELSE detail END,
  CASE WHEN reason IS NOT NULL THEN coalesce(from_base64(b64), encode(raw)) END, 'new', load_id
FROM judged
