"""Delivery: from a published generation to people."""
