"""A Stripe account for tests: the API's behaviour from its public documentation, moved by a clock of its own.

It shares nothing with trialwise and no test of it has touched Stripe itself.
"""

from tests.fakes.stripe.fake import LIVE_KEY, START, TEST_KEY, StripeFake
from tests.fakes.stripe.faults import Fault

__all__ = ["LIVE_KEY", "START", "TEST_KEY", "Fault", "StripeFake"]
