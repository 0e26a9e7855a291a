-- Read `frames` of one format and mapping into `calls`. $fields are the 26 JSON paths below (a mapping replaces some of
-- them); $columns is a JSON object with a null for every column of a flat record that is no property. Records of other
-- systems' formats come as the calls they were translated to ($translated); what is not $readable has no translator.
INSERT INTO calls
WITH told AS (
  SELECT f.segment, f.i, f.n, f.o, f.r, f.arrived_at, f.raw AS sent, coalesce(t.call, f.raw) AS raw, CASE WHEN t.item IS NULL THEN f.env END AS env, f.b64,
    CASE WHEN is_forgotten(f.raw, f.b64) THEN 'forgotten' ELSE coalesce(f.bad, t.reason, CASE WHEN NOT $readable THEN 'unknown_format' END) END AS refused, coalesce(t.detail, f.detail) AS detail
  FROM frames AS f LEFT JOIN translated AS t ON t.segment = f.segment AND t.item = f.i
),
fields AS (
  SELECT *, CASE WHEN problem IS NULL THEN json_extract_string(raw, $fields) END AS v,
    CASE WHEN problem IS NULL AND env IS NOT NULL THEN json_extract_string(env, ['$.sentAt', '$.receivedAt', '$.context.groupId']) END AS e
  FROM (SELECT *, CASE WHEN refused IS NOT NULL THEN refused ELSE coalesce(json_problem(raw), json_problem(env)) END AS problem FROM told) AS c
),
parted AS (
  SELECT *, lower(coalesce(v[1], v[2])) AS announced,
    -- a flat record has no word of Segment's in it: its own columns are properties
    $format = 'flat' OR ($format = 'auto' AND (announced IS NULL OR announced NOT IN ('track', 'identify', 'group', 'page', 'screen', 'alias'))
      AND v[5] IS NULL AND v[7] IS NULL AND v[14] IS NULL) AS is_flat
  FROM fields
),
named AS (
  SELECT *, v[3] AS event, v[4] AS name,
    coalesce(said(is_flat, v[5]), said(is_flat, v[6])) AS user_id, coalesce(said(is_flat, v[7]), said(is_flat, v[8])) AS anonymous_id,
    coalesce(said(is_flat, v[9]), said(is_flat, v[10])) AS group_id,
    coalesce(said(is_flat, v[11]), said(is_flat, v[12]), said(is_flat, v[13]), e[3]) AS context_account,
    coalesce(said(is_flat, v[14]), said(is_flat, v[15]), said(is_flat, v[16])) AS id,
    coalesce(said(is_flat, v[17]), said(is_flat, v[18])) AS timestamp_text, coalesce(said(is_flat, v[19]), said(is_flat, v[20])) AS original_text,
    -- what a client says of when it was received counts only where we did not receive it ourselves
    coalesce(said(is_flat, v[21]), e[1]) AS sent_text,
    CASE WHEN arrived_at IS NULL THEN coalesce(said(is_flat, v[22]), said(is_flat, v[23]), e[2]) END AS received_text, v[24] AS previous_id,
    CASE WHEN starts_with(ltrim(v[25]), '{') AND json_valid(v[25]) THEN v[25] END AS properties,
    CASE WHEN starts_with(ltrim(v[26]), '{') AND json_valid(v[26]) THEN v[26] END AS traits
  FROM parted
),
shaped AS (
  SELECT *,
    CASE WHEN $format <> 'flat' AND announced IN ('track', 'identify', 'group', 'page', 'screen', 'alias') THEN announced
      WHEN event IS NOT NULL OR $format = 'flat' THEN 'track'
      WHEN previous_id IS NOT NULL THEN 'alias'
      WHEN group_id IS NOT NULL THEN 'group'
      WHEN traits IS NOT NULL THEN 'identify'
      WHEN name IS NOT NULL THEN 'page' END AS kind
  FROM named
),
timed AS (
  SELECT * REPLACE (
      -- RudderStack's Python client puts the traits of identify there
      coalesce(traits, CASE WHEN kind = 'identify' AND json_type(raw, '$.context.traits') = 'OBJECT' THEN raw ->> '$.context.traits' END) AS traits),
    CASE kind WHEN 'track' THEN event WHEN 'page' THEN 'Viewed ' || coalesce(name || ' ', '') || 'Page'
      WHEN 'screen' THEN 'Viewed ' || coalesce(name || ' ', '') || 'Screen' END AS event_name,
    coalesce(user_id, 'anon:' || anonymous_id) AS subject,
    coalesce(group_id, context_account) AS account_id,
    to_instant(timestamp_text) AS stamped_at, to_instant(original_text) AS original_at, to_instant(sent_text) AS sent_at,
    coalesce(arrived_at, to_instant(received_text)) AS received_at,
    CASE WHEN problem IS NOT NULL THEN NULL
      WHEN is_flat THEN
      CASE WHEN properties IS NULL THEN CAST(json_merge_patch(raw, $columns) AS VARCHAR)
        ELSE CAST(json_merge_patch(json_merge_patch(raw, $columns), properties) AS VARCHAR) END
      ELSE properties END AS body
  FROM shaped
),
clocked AS (
  -- the timestamp of a call as its client sent it is that client's; where Segment received it, Segment has corrected it
  SELECT *, coalesce(original_at, CASE WHEN received_text IS NULL AND (sent_at IS NOT NULL OR NOT $translated) THEN stamped_at END) AS client_at FROM timed
),
placed AS (
  SELECT t.*, s.import_no, s.load_id,
    -- Segment's formula takes the client's clock out; a record without all three keeps the stamp it carries
    coalesce(CASE WHEN t.sent_at IS NOT NULL AND t.received_at IS NOT NULL THEN t.received_at - (t.sent_at - t.client_at) END,
      t.stamped_at, t.original_at, t.received_at, s.landed_at) AS occurred_at,
    coalesce(t.timestamp_text, t.original_text) IS NOT NULL AS has_time,
    t.id IS NULL OR trim(t.id) = '' AS is_nameless,
    coalesce(t.arrived_at, s.landed_at) AS landed_at
  FROM clocked AS t JOIN segments AS s ON s.segment = t.segment
),
judged AS (
  SELECT *,
    CASE WHEN problem IS NOT NULL THEN problem
      WHEN kind IS NULL THEN 'unknown_shape'
      WHEN kind = 'track' AND event_name IS NULL THEN 'no_event'
      WHEN event_name IS NOT NULL AND (trim(event_name) = '' OR is_no_id(event_name)) THEN 'bad_event'
      WHEN is_placeholder(user_id) OR is_placeholder(anonymous_id) OR is_placeholder(account_id) OR is_placeholder(previous_id) THEN 'placeholder_id'
      WHEN is_no_id(user_id) OR is_no_id(anonymous_id) OR is_no_id(account_id) OR is_no_id(previous_id) OR is_no_id(id) THEN 'bad_id'
      -- an e-mail provider knows the recipient alone, who leads to the user; what else it reports may be about nobody
      WHEN subject IS NULL AND account_id IS NULL AND NOT ($translated AND kind = 'track'
        AND (coalesce(trim(body ->> '$.recipient'), '') <> '' OR starts_with(event_name, 'Webhook: '))) THEN 'no_subject'
      WHEN kind = 'identify' AND subject IS NULL THEN 'no_subject'
      WHEN kind = 'group' AND account_id IS NULL THEN 'no_account'
      WHEN kind = 'alias' AND (previous_id IS NULL OR subject IS NULL) THEN 'no_previous_id'
      WHEN (timestamp_text IS NOT NULL AND stamped_at IS NULL) OR (original_text IS NOT NULL AND original_at IS NULL)
        OR (sent_text IS NOT NULL AND sent_at IS NULL) OR (received_text IS NOT NULL AND received_at IS NULL)
        OR occurred_at < TIMESTAMP '1990-01-01' OR occurred_at >= TIMESTAMP '2100-01-01' THEN 'bad_timestamp'
    END AS reason
  FROM placed
),
-- What makes two records the same: instants rather than their spelling, since the next export may spell them otherwise;
-- likewise the values of a flat record, whose format decides whether 3 is a number or a text.
identified AS (
  SELECT *,
    CASE WHEN reason IS NULL AND has_time AND is_nameless THEN
      CAST(md5(concat_ws(chr(31), 'events', coalesce(account_id, chr(30)), coalesce(subject, chr(30)), kind, coalesce(event_name, chr(30)),
        epoch_us(coalesce(stamped_at, original_at)), same_values(body), same_values(traits), coalesce(previous_id, chr(30)))) AS UUID) END AS content
  FROM judged
)
SELECT segment, import_no, i, n, o, r, kind, event_name, account_id, subject,
  CASE WHEN kind = 'identify' AND user_id IS NOT NULL THEN 'anon:' || anonymous_id WHEN kind = 'alias' THEN previous_id END,
  CASE WHEN reason IS NOT NULL THEN NULL
    WHEN NOT is_nameless THEN to_uuid(id)
    WHEN NOT has_time THEN CAST(md5(concat_ws(chr(31), 'new', segment, i)) AS UUID) END,
  content,
  occurred_at, coalesce(received_at, CASE WHEN has_time THEN occurred_at ELSE landed_at END),
  CASE WHEN reason IS NOT NULL THEN NULL WHEN content IS NOT NULL THEN hash(content)
    ELSE hash(kind, event_name, account_id, subject, previous_id, CASE WHEN is_flat THEN original_at ELSE client_at END, CASE WHEN is_flat THEN same_values(body) ELSE body END, traits) END,
  CASE WHEN reason IS NOT NULL THEN NULL WHEN kind IN ('identify', 'group') THEN with_touch(raw, env, traits)
    WHEN kind <> 'alias' AND event_name IN (SELECT event_name FROM declared) THEN with_reader(raw, env, body) END,
  reason,
  CASE reason WHEN 'bad_timestamp' THEN concat_ws(', ', 'timestamp ' || timestamp_text, 'originalTimestamp ' || original_text, 'sentAt ' || sent_text, 'receivedAt ' || received_text)
    WHEN 'placeholder_id' THEN concat_ws(', ', 'user ' || user_id, 'anonymous ' || anonymous_id, 'account ' || account_id, 'previous ' || previous_id)
    WHEN 'bad_event' THEN event_name WHEN 'bad_id' THEN concat_ws(', ', user_id, anonymous_id, account_id, previous_id, id)
    ELSE detail END,
  CASE WHEN reason IS NOT NULL THEN coalesce(from_base64(b64), encode(sent)) END, 'new', landed_at, load_id
FROM identified
