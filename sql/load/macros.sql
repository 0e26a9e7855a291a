-- Small rules used by several steps of the load; temporary, so that nothing of them stays in the store.

-- The checksum of a frame, over every value it has; landing/frame.py writes it.
CREATE OR REPLACE TEMP MACRO frame_sum(i, n, o, r, at_text, bad, detail, b64, env, raw) AS
  left(md5(concat(i, ' ', n, ' ', o, ' ', r, ' ', at_text, ' ', bad, ' ', detail, ' ', b64, ' ', env, ' ', raw)), 16);

-- A refused record's id, stable over rebuilds.
CREATE OR REPLACE TEMP MACRO quarantine_key(segment, item) AS
  CAST(md5(concat_ws(chr(31), 'quarantine', CAST(segment AS VARCHAR), CAST(item AS VARCHAR))) AS UUID);

-- An instant as UTC: ISO 8601 with or without zone (without = UTC), or epoch seconds, milliseconds, microseconds by
-- the number of digits. Everything else is NULL. The pattern comes first because the cast alone would take
-- 'infinity', +99:99 and years of five digits; the bounds keep instants inside what a calendar table can hold.
CREATE OR REPLACE TEMP MACRO any_instant(t) AS
  CASE
    WHEN regexp_full_match(t, '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)? ?(Z|UTC|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?')
      THEN CAST(TRY_CAST(t AS TIMESTAMPTZ) AS TIMESTAMP)
    WHEN regexp_full_match(t, '[0-9]{9,10}(\.[0-9]+)?')
      THEN make_timestamp(CAST(TRY_CAST(t AS DECIMAL(38, 6)) * 1000000 AS BIGINT))
    WHEN regexp_full_match(t, '[0-9]{12,13}(\.[0-9]+)?')
      THEN make_timestamp(CAST(TRY_CAST(t AS DECIMAL(38, 6)) * 1000 AS BIGINT))
    WHEN regexp_full_match(t, '[0-9]{15,16}')
      THEN make_timestamp(CAST(t AS BIGINT))
  END;

CREATE OR REPLACE TEMP MACRO to_instant(t) AS
  CASE WHEN any_instant(t) >= TIMESTAMP '1990-01-01' AND any_instant(t) < TIMESTAMP '2100-01-01' THEN any_instant(t) END;

-- Stripe's whole seconds.
CREATE OR REPLACE TEMP MACRO epoch_instant(t) AS
  CASE WHEN TRY_CAST(t AS BIGINT) BETWEEN 0 AND 4102444799 THEN make_timestamp(TRY_CAST(t AS BIGINT) * 1000000) END;

-- The calendar day of a UTC instant in the reporting zone.
CREATE OR REPLACE TEMP MACRO local_day(stamp, zone) AS
  CASE WHEN zone = 'UTC' THEN CAST(stamp AS DATE) ELSE CAST((stamp AT TIME ZONE 'UTC') AT TIME ZONE zone AS DATE) END;

-- Ids that stand for "nobody": accepting one would join strangers into one account or user.
-- One pattern rather than a list of texts: a list becomes a hash join for each column asked.
CREATE OR REPLACE TEMP MACRO is_placeholder(id) AS
  regexp_full_match(id, '(?i) *(null|nil|none|undefined|unknown|anon|anonymous|n/a|na|nan|-|true|false|\[object object\]|\(not set\)|00000000-0000-0000-0000-000000000000|00000000000000000000000000000000)? *');

-- No id: an object or list in its place, control characters, or longer than any system's ids.
CREATE OR REPLACE TEMP MACRO is_no_id(id) AS
  starts_with(id, '{') OR starts_with(id, '[') OR length(id) > 512 OR regexp_matches(id, '[[:cntrl:]]');

-- What a field says: forms and tables send a blank where a flat record has nothing to say.
CREATE OR REPLACE TEMP MACRO said(is_flat, field) AS CASE WHEN NOT is_flat OR trim(field, E' \t\n\r') <> '' THEN field END;

-- 128 bits of any id: the UUID itself, else the md5 of the text.
CREATE OR REPLACE TEMP MACRO to_uuid(id) AS
  coalesce(CASE WHEN length(id) = 36 THEN TRY_CAST(id AS UUID) END, CAST(md5(id) AS UUID));

-- The values of a JSON object in one spelling whatever file they came in: a CSV cell is the text "3", a floating-point
-- column makes 3.0 of it, Parquet has every key, with null where there is nothing. No object, or a key twice: as it stands.
CREATE OR REPLACE TEMP MACRO same_values(t) AS
  CASE WHEN t IS NULL OR t = '{}' THEN '[]'
    ELSE coalesce(CAST(to_json(list_sort(list_transform(
      list_filter(map_entries(from_json(t, '"MAP(VARCHAR, VARCHAR)"')), lambda e: e.value IS NOT NULL),
      lambda e: [e.key, regexp_replace(e.value, '^(-?[0-9]+)\.0+$', '\1')]))) AS VARCHAR), t) END;

-- The JSON text with every string emptied: what is left shows numbers, commas and words outside of strings.
CREATE OR REPLACE TEMP MACRO without_strings(t) AS regexp_replace(t, '"(?:[^"\\]|\\.)*"', '""', 'g');

-- Why a text is no record, or NULL. DuckDB's JSON reader accepts NaN, Infinity and a comma before a closing bracket,
-- and keeps numbers beyond double precision as text; none of these may reach a metric. One pass finds the texts
-- that may hold any of them; only those are looked at closely.
CREATE OR REPLACE TEMP MACRO json_problem(t) AS
  CASE
    WHEN NOT json_valid(t) THEN
      CASE WHEN regexp_matches(t, '\}\s*\{') THEN 'two_records' WHEN regexp_matches(t, '\\u[dD][89abAB]') THEN 'bad_unicode' ELSE 'bad_json' END
    WHEN NOT starts_with(t, '{') AND NOT starts_with(ltrim(t, ' ' || chr(9) || chr(10) || chr(13)), '{') THEN 'not_an_object'
    WHEN NOT regexp_matches(t, '(?i)nan|inf|\\u0000|,\s*[\]}]|[:,\[\s]-?[0-9]+(\.[0-9]+)?e\+?[0-9]{3}') THEN NULL
    WHEN contains(t, '\u0000') AND regexp_matches(t, '(^|[^\\])(\\\\)*\\u0000') THEN 'nul'
    WHEN (contains(t, 'NaN') OR contains(t, 'nfinity') OR contains(t, 'nan') OR contains(t, 'inf') OR contains(t, 'INF') OR contains(t, 'NAN'))
      AND regexp_matches(without_strings(t), '(?i)nan|inf') THEN 'not_a_number'
    WHEN regexp_matches(t, '[:,\[\s]-?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{3}') AND len(list_filter(
      regexp_extract_all(without_strings(t), '-?[0-9][0-9.]*[eE]\+?[0-9]+'), lambda x: NOT isfinite(coalesce(TRY_CAST(x AS DOUBLE), CAST('inf' AS DOUBLE))))) > 0 THEN 'not_a_number'
    WHEN regexp_matches(t, ',\s*[\]}]') AND regexp_matches(without_strings(t), ',\s*[\]}]') THEN 'bad_json'
  END;

-- What a call's context says of how its user came (Segment's campaign and page objects), as traits; traits as sent win.
-- No part of the body: a retry from another page is the same call.
CREATE OR REPLACE TEMP MACRO touch_of(call, env) AS CAST(json_merge_patch('{}', json_object(
  'utm_source', coalesce(call ->> '$.context.campaign.source', env ->> '$.context.campaign.source'),
  'utm_medium', coalesce(call ->> '$.context.campaign.medium', env ->> '$.context.campaign.medium'),
  'referrer', coalesce(call ->> '$.context.page.referrer', env ->> '$.context.page.referrer'))) AS VARCHAR);

CREATE OR REPLACE TEMP MACRO with_touch(call, env, traits) AS
  CASE WHEN contains(call, '"campaign"') OR contains(call, '"referrer"') OR contains(env, '"campaign"') OR contains(env, '"referrer"')
    THEN CASE WHEN traits IS NULL THEN nullif(touch_of(call, env), '{}') ELSE CAST(json_merge_patch(touch_of(call, env), traits) AS VARCHAR) END
    ELSE traits END;

-- Segment's e-mail events name the recipient and the reader's program in the context; as properties, where those as sent win.
CREATE OR REPLACE TEMP MACRO with_reader(call, env, properties) AS
  CASE WHEN contains(properties, '"email_id"') OR contains(properties, '"campaign_id"')
    THEN CAST(json_merge_patch(json_merge_patch('{}', json_object(
      'recipient', coalesce(call ->> '$.context.traits.email', env ->> '$.context.traits.email'),
      'user_agent', coalesce(call ->> '$.context.user_agent', call ->> '$.context.userAgent'))), properties) AS VARCHAR)
    ELSE properties END;

-- A record of somebody who was forgotten: DELETE characters in the room it took; landing/redact.py writes it.
CREATE OR REPLACE TEMP MACRO is_forgotten(raw, b64) AS
  CASE WHEN b64 IS NOT NULL THEN b64 <> '' AND regexp_full_match(b64, '(f39/)+') ELSE raw <> '' AND trim(raw, chr(127)) = '' END;

-- A text as it is read, without escapes where it is JSON.
CREATE OR REPLACE TEMP MACRO read_text_of(t) AS
  replace(CASE WHEN contains(t, '\') AND json_valid(t) THEN CAST(json(t) AS VARCHAR) ELSE t END, '%40', '@');

-- Bytes as a text; where they are none, what of them is ASCII.
CREATE OR REPLACE TEMP MACRO bytes_as_text(b) AS coalesce(TRY(decode(b)), regexp_replace(CAST(b AS VARCHAR), '\\x[0-9A-F]{2}', ' ', 'g'));

-- All that a frame says of a record, as one text.
CREATE OR REPLACE TEMP MACRO told_by(raw, env, b64, detail) AS
  concat_ws(' ', read_text_of(raw), read_text_of(env), detail, bytes_as_text(from_base64(b64)));

-- The words of a text; landing/suppression.py is the other side of it.
CREATE OR REPLACE TEMP MACRO words_of(t) AS regexp_extract_all(t, '[^\s"\\,;:<>()\[\]{}|/?&=!*#%''`]+');
