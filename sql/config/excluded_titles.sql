/*
description: Job titles that make an account undesirable.
*/
CREATE TABLE config.excluded_titles (
    title VARCHAR NOT NULL -- lower case
)
