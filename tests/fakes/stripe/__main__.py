"""`python -m tests.fakes.stripe --port 0`: the fake alone; prints its URL, then serves until it is stopped."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from threading import Event

from tests.fakes.stripe.fake import START, StripeFake


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.stripe")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", default="fake")
    parser.add_argument("--now", type=datetime.fromisoformat, default=START)
    given = parser.parse_args()
    with StripeFake(seed=given.seed, now=given.now, port=given.port) as fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        try:
            Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
