"""Usage models: the dense trial days against naive Python, point in time by point in time."""
