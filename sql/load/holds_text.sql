-- Whether a record of Stripe's, or a refused one, in the store speaks of a word in $pattern.
SELECT EXISTS (SELECT 1 FROM raw.stripe WHERE regexp_matches(object, $pattern)) OR EXISTS (SELECT 1 FROM raw.quarantine WHERE regexp_matches(bytes_as_text(raw), $pattern))
