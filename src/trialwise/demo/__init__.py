"""A seeded fictional company whose Stripe events and Segment calls show every case of the metrics.

It knows nothing of the rest of trialwise: what it writes is what Stripe and Segment would send.
"""

from trialwise.demo.company import Company, write_company

__all__ = ["Company", "write_company"]
