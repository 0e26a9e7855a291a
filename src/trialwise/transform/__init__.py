"""From `sql/` to tables: models, their order, their build, their checks, their cases, their documentation."""
