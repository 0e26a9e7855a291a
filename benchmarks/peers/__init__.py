"""The same questions asked of other tools, each a process of its own in the environment of requirements/bench.txt."""
