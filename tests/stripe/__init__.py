"""Stories of a Stripe account, through the command line."""
