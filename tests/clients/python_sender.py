"""The official Python clients as they come: python -m tests.clients.python_sender KIND ADDRESS WRITE_KEY COUNT PREFIX.

A line on stdout for every 500 calls handed over; exit code 1 when the client gave up on any.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any


def client_of(kind: str, address: str, write_key: str, failed: list[str]) -> Any:
    """The client with gzip and its own retries."""
    if kind == "segment":
        from segment.analytics.client import Client
    else:
        from rudderstack.analytics.client import Client

    def on_error(error: Exception, items: list[Any]) -> None:
        failed.append(f"{len(items)} calls: {error!r}")

    return Client(
        write_key=write_key, host=address, gzip=True, max_queue_size=100_000, on_error=on_error, upload_interval=0.2
    )


def main(kind: str, address: str, write_key: str, count: int, prefix: str) -> int:
    logging.getLogger("backoff").setLevel(logging.CRITICAL)
    failed: list[str] = []
    client = client_of(kind, address, write_key, failed)
    for number in range(count):
        client.track(
            user_id=f"user-{number % 50}",
            event="Report Created",
            properties={"rows": number},
            context={"groupId": f"account-{number % 7}"},
            message_id=f"{prefix}-{number}",
        )
        if number % 500 == 499:
            sys.stdout.write(f"{number + 1}\n")
            sys.stdout.flush()
            time.sleep(0.02)
    client.flush()
    client.shutdown()
    sys.stderr.write("".join(f"{line}\n" for line in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], int(sys.argv[4]), sys.argv[5]))
