"""The storm: a server that is killed a thousand times, and a client that keeps its own log of what was acknowledged."""
