/*
description: >
  Identity calls with the traits trialwise understands by themselves (Segment's reserved names, both spellings). Traits declared in
  [attributes] are read from `traits` by intermediate.account_attributes.
grain: one row per call
key: [call_id]
not_null: [call_id, kind, user_key, account_key, previous_user_key, occurred_at, known_at, known_date]
accepted: {kind: [identify, group, alias]}
materialized: table  # several models read it, and a body is costly to read
*/
WITH parsed AS (
  SELECT i.*, CAST(i.traits AS JSON) AS body
  FROM raw.identities AS i
),

extracted AS (
  SELECT
    x.*,
    nullif(lower(trim(x.body ->> '$.email')), '') AS email,
    nullif(trim(coalesce(x.body ->> '$.firstName', x.body ->> '$.first_name', '') || ' ' || coalesce(x.body ->> '$.lastName', x.body ->> '$.last_name', '')), '') AS full_name,
    lower(coalesce(x.body ->> '$.domain', x.body ->> '$.website')) AS site,
    coalesce(x.body ->> '$.createdAt', x.body ->> '$.created_at') AS created_text,
    lower(coalesce(x.body ->> '$.utm_medium', x.body ->> '$.initial_utm_medium')) AS medium,
    lower(coalesce(x.body ->> '$.utm_source', x.body ->> '$.initial_utm_source')) AS source,
    lower(coalesce(x.body ->> '$.referrer', x.body ->> '$.initial_referrer')) AS referrer
  FROM parsed AS x
)

SELECT
  CAST(e.call_id AS VARCHAR) AS call_id, -- id of the call
  CAST(e.kind AS VARCHAR) AS kind, -- identify, group or alias
  CAST(e.user_key AS INTEGER) AS user_key, -- user the call is about, 0 for none
  CAST(e.account_key AS INTEGER) AS account_key, -- account it names, 0 for none
  CAST(e.previous_user_key AS INTEGER) AS previous_user_key, -- earlier id of the same user, 0 for none
  CAST(e.occurred_at AS TIMESTAMP) AS occurred_at, -- UTC instant of the call
  CAST(e.known_at AS TIMESTAMP) AS known_at, -- UTC instant from which it may be used
  CAST(e.known_date AS DATE) AS known_date, -- later of the reporting days of known_at and occurred_at
  CAST(CASE WHEN e.email LIKE '%_@_%' THEN e.email END AS VARCHAR) AS email, -- trait email, lower case; NULL when it is no address
  CAST(nullif(trim(coalesce(e.body ->> '$.name', e.full_name)), '') AS VARCHAR) AS name, -- trait name, else first and last name
  CAST(coalesce(e.body ->> '$.title', e.body ->> '$.job_title', e.body ->> '$.jobTitle') AS VARCHAR) AS title, -- job title
  CAST(nullif(split_part(replace(replace(replace(e.site, 'https://', ''), 'http://', ''), 'www.', ''), '/', 1), '') AS VARCHAR) AS domain, -- host of trait domain or website
  CAST(coalesce(e.body ->> '$.owner', e.body ->> '$.account_owner', e.body ->> '$.accountOwner', e.body ->> '$.owner_email') AS VARCHAR) AS owner, -- sales person the account belongs to
  CAST(TRY_CAST(e.created_text AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS TIMESTAMP) AS created_at, -- trait createdAt: when the user or account was made, UTC
  CAST(nullif(lower(trim(coalesce(e.body ->> '$.channel', e.body ->> '$.acquisition_channel'))), '') AS VARCHAR) AS channel, -- how they came, said in so many words
  CAST(CASE
    WHEN e.medium IN ('cpc', 'ppc', 'paid', 'paidsearch', 'paid_search', 'sem', 'display', 'cpm', 'paid_social') THEN 'paid'
    WHEN e.medium IN ('email', 'newsletter') THEN 'email'
    WHEN e.medium IN ('social', 'organic_social') THEN 'social'
    WHEN e.medium IN ('referral', 'affiliate', 'partner') THEN 'referral'
    WHEN e.medium = 'organic' THEN 'organic'
    WHEN coalesce(e.medium, e.source) IS NOT NULL THEN coalesce(e.source, e.medium)
    WHEN e.referrer LIKE '%google.%' OR e.referrer LIKE '%bing.%' OR e.referrer LIKE '%duckduckgo.%' OR e.referrer LIKE '%yahoo.%' THEN 'organic'
    WHEN e.referrer LIKE '%linkedin.%' OR e.referrer LIKE '%facebook.%' OR e.referrer LIKE '%twitter.%' OR e.referrer LIKE '%//t.co/%' OR e.referrer LIKE '%reddit.%' THEN 'social'
    WHEN e.referrer LIKE '%$direct%' THEN 'direct'
    WHEN e.referrer <> '' THEN 'referral'
  END AS VARCHAR) AS touch, -- how they came, told by utm_medium and utm_source, else by referrer
  CAST(e.traits AS VARCHAR) AS traits -- JSON text of all traits as sent
FROM extracted AS e
