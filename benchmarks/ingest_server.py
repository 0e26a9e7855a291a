"""One collector process for the ingest benchmark: `python -m benchmarks.ingest_server MODE FOLDER DESCRIPTOR`.

durable     the shipped collector as `trialwise serve` starts it
undurable   the same, answering without waiting for the disk
bare        the same web server, reading the body and answering; the ceiling
"""

from __future__ import annotations

import functools
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvicorn

from trialwise.server import child, metrics
from trialwise.server.child import Orders
from trialwise.sources.collector import uvicorn_options
from trialwise.workspace import Workspace


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body, say yes."""
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"16")]})
    await send({"type": "http.response.body", "body": b'{"success":true}'})


def main(mode: str, folder: Path, descriptor: int) -> int:
    """Serve on the listening socket until killed."""
    if mode == "bare":
        options = {**uvicorn_options(), "lifespan": "off"}
        server = uvicorn.Server(uvicorn.Config(bare, log_config=None, **options))
        server.run([socket.socket(fileno=descriptor)])
        return 0
    workspace = Workspace.open(folder)
    metrics.prepare(workspace.run)
    ours, theirs = socket.socketpair()
    threading.Thread(target=lambda: ours.recv(1), daemon=True).start()
    orders = Orders(str(folder), str(workspace.run), f"bench{os.getpid()}", "127.0.0.1", descriptor, theirs.detach())
    with patch.object(child, "Sink", functools.partial(child.Sink, durable=mode == "durable")):
        return child.main(orders.text())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
