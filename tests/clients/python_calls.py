"""One call of every type by an official Python client: python -m tests.clients.python_calls KIND ADDRESS WRITE_KEY."""

from __future__ import annotations

import sys

from tests.clients.python_sender import client_of


def main(kind: str, address: str, write_key: str) -> int:
    failed: list[str] = []
    client = client_of(kind, address, write_key, failed)
    client.track(anonymous_id="visit-7", event="Pricing Viewed", properties={"plan": "pro"})
    client.alias(previous_id="visit-7", user_id="ann")
    client.identify(user_id="ann", traits={"email": "Ann@acme.example", "name": "Ann Ames", "title": "CFO"})
    client.group(user_id="ann", group_id="acme", traits={"name": "Acme GmbH", "domain": "acme.example", "seats": 12})
    client.page(user_id="ann", category="Docs", name="Install", properties={"path": "/docs/install"})
    client.screen(user_id="ann", category="App", name="Home", properties={"tab": "all"})
    client.track(user_id="ann", event="Report Created", context={"groupId": "acme"})
    client.flush()
    client.shutdown()
    sys.stderr.write("".join(f"{line}\n" for line in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
