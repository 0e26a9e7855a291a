"""Stripe by its API: events and object lists, page by page, resumable, with the records as Stripe sent them."""
