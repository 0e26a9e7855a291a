/*
description: E-mail domains of people who are no trial, with the reason.
*/
CREATE TABLE IF NOT EXISTS config.excluded_domains (
    domain VARCHAR NOT NULL, -- lower case, without @
    reason VARCHAR NOT NULL -- internal, competitor or free_mail
)
