"""Independent oracles: plain Python readings of the definitions, and generators of the payloads they are fed with.

Nothing here imports the product. An oracle that shared code with what it checks would repeat its mistakes.
"""
