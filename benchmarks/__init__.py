"""The budgets of the product, measured on the shipped models: `python -m benchmarks --events 1000000`."""
