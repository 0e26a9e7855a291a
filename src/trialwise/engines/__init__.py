"""The engines models run on; the only importers of their libraries."""
