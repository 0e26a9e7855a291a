"""Rule scores and segments: definitions as data, composed into the models as parsed expressions."""
