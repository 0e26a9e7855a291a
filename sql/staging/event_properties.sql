/*
description: >
  The properties trialwise understands, typed, of declared events only. Money is in minor units: amount_minor as sent, else amount
  (or Segment's revenue) in major units times the digits of its currency (ISO 4217: most two, some none or three).
  A value of the wrong type is NULL here; the text as sent stays in raw.event_properties.
grain: one row per declared event
key: [event_id]
not_null: [event_id]
materialized: table  # several models read it, and a body is costly to read
*/
WITH parsed AS (
  SELECT p.event_id, CAST(p.properties AS JSON) AS body
  FROM raw.event_properties AS p
),

extracted AS (
  SELECT
    x.event_id,
    coalesce(x.body ->> '$.trial_ends_at', x.body ->> '$.trialEndsAt', x.body ->> '$.trial_end', x.body ->> '$.trial_end_date') AS ends_text,
    coalesce(x.body ->> '$.amount_minor', x.body ->> '$.amountMinor') AS minor_text,
    coalesce(x.body ->> '$.amount', x.body ->> '$.amount_decimal', x.body ->> '$.revenue') AS major_text,
    upper(x.body ->> '$.currency') AS currency,
    coalesce(x.body ->> '$.plan', x.body ->> '$.trial_plan_name', x.body ->> '$.plan_name') AS plan,
    coalesce(x.body ->> '$.previous_account_id', x.body ->> '$.previousAccountId', x.body ->> '$.merged_account_id') AS previous_account_id,
    coalesce(x.body ->> '$.campaign_id', x.body ->> '$.campaignId') AS campaign_id,
    coalesce(x.body ->> '$.campaign_name', x.body ->> '$.campaign') AS campaign_name,
    coalesce(x.body ->> '$.message_id', x.body ->> '$.email_id') AS message_id,
    coalesce(x.body ->> '$.link_url', x.body ->> '$.url') AS link_url,
    lower(trim(coalesce(x.body ->> '$.recipient', x.body ->> '$.email'))) AS recipient,
    lower(coalesce(x.body ->> '$.user_agent', x.body ->> '$.userAgent', '')) AS agent,
    coalesce(x.body ->> '$.is_bot', x.body ->> '$.bot', x.body ->> '$.machine_click', 'false') AS bot_text,
    coalesce(x.body ->> '$.is_privacy_proxy', x.body ->> '$.sg_machine_open', x.body ->> '$.machine_open', 'false') AS proxy_text,
    coalesce(x.body ->> '$.action', x.body ->> '$.status') AS action,
    x.body ->> '$.reason' AS reason,
    coalesce(x.body ->> '$.owner', x.body ->> '$.owner_email') AS owner
  FROM parsed AS x
),

priced AS (
  SELECT
    e.*,
    CASE
      WHEN e.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1
      WHEN e.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000
      ELSE 100
    END AS minor_units
  FROM extracted AS e
)

SELECT
  CAST(p.event_id AS VARCHAR) AS event_id, -- event the properties belong to
  CAST(TRY_CAST(p.ends_text AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS TIMESTAMP) AS trial_ends_at, -- end a trial was announced with, UTC; text without a zone is UTC
  CAST(coalesce(TRY_CAST(p.minor_text AS BIGINT), TRY_CAST(round(TRY_CAST(p.major_text AS DECIMAL(18, 4)) * p.minor_units, 0) AS BIGINT)) AS BIGINT) AS amount_minor, -- money in minor units of currency
  CAST(p.currency AS VARCHAR) AS currency, -- ISO 4217 code, upper case
  CAST(p.plan AS VARCHAR) AS plan, -- plan the event names
  CAST(p.previous_account_id AS VARCHAR) AS previous_account_id, -- account that was merged into the event's account
  CAST(p.campaign_id AS VARCHAR) AS campaign_id, -- e-mail campaign
  CAST(p.campaign_name AS VARCHAR) AS campaign_name, -- its name
  CAST(p.message_id AS VARCHAR) AS message_id, -- one e-mail message
  CAST(p.link_url AS VARCHAR) AS link_url, -- link that was clicked
  CAST(p.recipient AS VARCHAR) AS recipient, -- e-mail address the message went to, lower case
  CAST(p.bot_text IN ('true', '1') OR p.agent LIKE '%barracuda%' OR p.agent LIKE '%mimecast%' OR p.agent LIKE '%proofpoint%' OR p.agent LIKE '%safelinks%' OR p.agent LIKE '%bot/%' OR p.agent LIKE '%headless%' AS BOOLEAN) AS is_bot, -- a link scanner, by flag of the provider or by user agent
  CAST(p.proxy_text IN ('true', '1') OR p.agent LIKE '%googleimageproxy%' OR p.agent LIKE '%yahoomailproxy%' AS BOOLEAN) AS is_privacy_proxy, -- an image proxy fetched the message, by flag or by user agent
  CAST(p.action AS VARCHAR) AS action, -- what a sales action did or the status it set
  CAST(p.reason AS VARCHAR) AS reason, -- why, of a rejection
  CAST(p.owner AS VARCHAR) AS owner -- sales person the account belongs to
FROM priced AS p
