"""Servers that stand for the outside world in tests."""
