"""What arrived, kept for good: durable segments, their manifest, the load into raw tables, and quarantine."""
