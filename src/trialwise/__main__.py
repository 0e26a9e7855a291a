"""`python -m trialwise` is the command line."""

from trialwise.cli import main

main()
