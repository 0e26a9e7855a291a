"""The client, a process of its own: python -m tests.chaos.sender ADDRESS LOG SEED. It ends when its stdin does.

It sends calls under ids of its own until each is answered 2xx, through any failure, and sends some acknowledged ones
again. Its log is the oracle: one JSON line each for what a sending holds ("sending", before it is tried), for every
attempt that reached the server ("tried") and for every answer 2xx ("acknowledged", only then).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import http.client
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

THREADS = 2
LONGEST_PAUSE = 0.12  # seconds between two sendings of a thread
STRIPE_SECRET = "whsec_storm"
JSON = "application/json"


@dataclass
class Sending:
    """One request's worth, sent as often as it takes.

    body: made anew for each attempt, since senders stamp and sign each. events, identities: ids the raw tables will
    have; stripe: ids of Stripe events; bad: marker in the record -> the reason it has to be refused for.
    """

    number: int
    kind: str
    path: str
    body: Callable[[], tuple[bytes, Mapping[str, str]]]
    events: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    stripe: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Maker:
    """Makes sendings by chance; the same seed makes the same ids."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._number = 0
        self._key = _sendgrid_key()

    def next(self) -> Sending:
        self._number += 1
        kinds = {self._single: 4, self._batch: 6, self._flat: 2, self._lines: 1, self._stripe: 1, self._sendgrid: 1}
        return self._chance.choices(list(kinds), list(kinds.values()))[0]()

    def _uuid(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    def _track(self, identifier: str) -> dict[str, Any]:
        return {
            "type": "track",
            "userId": f"user-{self._chance.randrange(400)}",
            "event": self._chance.choice(["Report Created", "Report Shared", "Trial Started", "Export Run"]),
            "messageId": identifier,
            "timestamp": now(),
            "properties": {"rows": self._chance.randrange(1000), "text": "x" * self._chance.randrange(300)},
            "context": {"groupId": f"account-{self._chance.randrange(60)}"},
        }

    def _identity(self, identifier: str) -> dict[str, Any]:
        user = self._chance.randrange(400)
        call: dict[str, Any] = {"userId": f"user-{user}", "messageId": identifier, "timestamp": now()}
        if self._chance.random() < 0.5:
            return {**call, "type": "identify", "traits": {"email": f"user{user}@example.com"}}
        return {**call, "type": "group", "groupId": f"account-{user % 60}", "traits": {"name": f"Account {user % 60}"}}

    def _bad(self, marker: str) -> tuple[str, str]:
        """(a call that has to be refused, as JSON text; the reason)."""
        call = self._track(marker)
        return self._chance.choice(
            [
                (json.dumps({**call, "event": None}), "no_event"),
                (json.dumps({**call, "userId": "null"}), "placeholder_id"),
                (json.dumps({**call, "timestamp": "yesterday"}), "bad_timestamp"),
                (json.dumps(call)[:-1] + ', "rows": 1e999}', "not_a_number"),
                (json.dumps(call)[:-1] + ', "rows": }', "bad_json"),
            ]
        )

    def _single(self) -> Sending:
        identifier = self._uuid()
        if self._chance.random() < 0.3:
            call = self._identity(identifier)
            path = f"/v1/{call['type']}"
            return Sending(self._number, "single", path, _stamped(call), identities=[identifier])
        return Sending(self._number, "single", "/v1/track", _stamped(self._track(identifier)), events=[identifier])

    def _batch(self) -> Sending:
        sending = Sending(self._number, "batch", "/v1/batch", lambda: (b"", {}))
        calls = []
        for _ in range(self._chance.randint(1, 12)):
            identifier, dice = self._uuid(), self._chance.random()
            if dice < 0.08:
                text, sending.bad[identifier] = self._bad(identifier)
                calls.append(text)
            elif dice < 0.25:
                calls.append(json.dumps(self._identity(identifier)))
                sending.identities.append(identifier)
            else:
                calls.append(json.dumps(self._track(identifier)))
                sending.events.append(identifier)
        packed = self._chance.random() < 0.3

        def body() -> tuple[bytes, Mapping[str, str]]:
            data = f'{{"batch": [{", ".join(calls)}], "sentAt": "{now()}"}}'.encode()
            return (gzip.compress(data, 1), {"content-encoding": "gzip"}) if packed else (data, {})

        sending.body = body
        return sending

    def _flat_record(self, identifier: str) -> dict[str, Any]:
        return {
            "id": identifier,
            "event": "Invoice Paid Elsewhere",
            "user_id": f"user-{self._chance.randrange(400)}",
            "account_id": f"account-{self._chance.randrange(60)}",
            "timestamp": now(),
            "amount": self._chance.randrange(10_000),
        }

    def _flat(self) -> Sending:
        ids = [self._uuid() for _ in range(self._chance.randint(1, 6))]
        data = json.dumps([self._flat_record(identifier) for identifier in ids]).encode()
        return Sending(self._number, "flat", "/v1/events", lambda: (data, {}), events=ids)

    def _lines(self) -> Sending:
        ids = [self._uuid() for _ in range(self._chance.randint(2, 6))]
        marker = self._uuid()
        lines = [json.dumps(self._flat_record(identifier)) for identifier in ids]
        lines.insert(1, json.dumps(self._flat_record(marker))[:-3])
        data = "\n".join(lines).encode()
        headers = {"content-type": "application/x-ndjson"}
        return Sending(
            self._number, "lines", "/v1/events", lambda: (data, headers), events=ids, bad={marker: "bad_json"}
        )

    def _stripe(self) -> Sending:
        identifier = f"evt_{self._uuid().replace('-', '')}"
        customer = {
            "id": f"cus_{identifier[4:18]}",
            "object": "customer",
            "email": "ann@example.com",
            "created": 1_700_000_000,
        }
        event = {
            "id": identifier, "object": "event", "api_version": "2024-06-20", "created": int(time.time()),
            "livemode": True, "type": "customer.created", "data": {"object": customer},
        }  # fmt: skip
        data = json.dumps(event).encode()

        def body() -> tuple[bytes, Mapping[str, str]]:
            sent = int(time.time())
            told = hmac.new(STRIPE_SECRET.encode(), f"{sent}.".encode() + data, hashlib.sha256).hexdigest()
            return data, {"stripe-signature": f"t={sent},v1={told}"}

        return Sending(self._number, "stripe", "/webhooks/stripe", body, stripe=[identifier])

    def _sendgrid(self) -> Sending:
        names = [self._uuid().replace("-", "") for _ in range(self._chance.randint(1, 5))]
        records = [
            {"sg_event_id": name, "event": self._chance.choice(["open", "click", "delivered"]),
             "email": f"user{self._chance.randrange(400)}@example.com", "timestamp": int(time.time())}
            for name in names
        ]  # fmt: skip
        data = json.dumps(records).encode()
        ids = [str(UUID(hashlib.md5(f"sendgrid:{name}".encode()).hexdigest())) for name in names]
        return Sending(self._number, "sendgrid", "/webhooks/sendgrid", lambda: self._key(data), events=ids)


def _stamped(call: dict[str, Any]) -> Callable[[], tuple[bytes, Mapping[str, str]]]:
    return lambda: (json.dumps({**call, "sentAt": now()}).encode(), {})


def _private_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(hashlib.sha256(b"storm").digest()), ec.SECP256R1())


def sendgrid_public() -> str:
    """The public half of SendGrid's key, as its settings page shows it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _private_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def _sendgrid_key() -> Callable[[bytes], tuple[bytes, Mapping[str, str]]]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    key = _private_key()

    def signed(data: bytes) -> tuple[bytes, Mapping[str, str]]:
        sent = str(int(time.time()))
        signature = base64.b64encode(key.sign(sent.encode() + data, ECDSA(hashes.SHA256()))).decode()
        return data, {
            "x-twilio-email-event-webhook-signature": signature,
            "x-twilio-email-event-webhook-timestamp": sent,
        }

    return signed


class Log:
    """Append-only, one line a write."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, **told: Any) -> None:
        os.write(self._descriptor, json.dumps(told).encode() + b"\n")


class Client:
    """One connection to the server, made anew whenever it breaks."""

    def __init__(self, host: str, port: int, log: Log) -> None:
        self._address = (host, port)
        self._log = log
        self._connection: http.client.HTTPConnection | None = None

    def send(self, thread: str, sending: Sending, is_over: Callable[[], bool]) -> bool:
        """Until it is acknowledged; False when `is_over` came true first."""
        name = f"{thread}-{sending.number}"
        pause = 0.02
        while not is_over():
            status, text = self._try(name, sending)
            if status is not None and 200 <= status < 300:
                self._log.write(acknowledged=name)
                return True
            if status is not None and status not in (429, 503, 507):
                self._log.write(refused=name, status=status, answer=text[:500], at=now())
                if status < 500:
                    return False
            time.sleep(pause)
            pause = min(2 * pause, 0.3)
        return False

    def _try(self, name: str, sending: Sending) -> tuple[int | None, str]:
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=30)
                self._connection.connect()
            body, headers = sending.body()
            self._log.write(tried=name)
            self._connection.request("POST", sending.path, body, {"content-type": JSON, **headers})
            answer = self._connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return None, ""
        return answer.status, text


def work(address: tuple[str, int], log: Log, name: str, seed: str, ending: threading.Event) -> None:
    """One thread: new sendings, and now and then an old one again. What is begun when the end comes is finished."""
    maker, chance, client = Maker(seed), random.Random(f"again {seed}"), Client(*address, log)
    done: list[Sending] = []
    while not ending.is_set():
        if done and chance.random() < 0.06:
            client.send(name, chance.choice(done), ending.is_set)
        sending = maker.next()
        log.write(
            sending=f"{name}-{sending.number}", kind=sending.kind, events=sending.events,
            identities=sending.identities, stripe=sending.stripe, bad=sending.bad,
        )  # fmt: skip
        late: list[float] = []

        def is_over(late: list[float] = late) -> bool:
            """Half a minute after the end was asked for."""
            if ending.is_set() and not late:
                late.append(time.monotonic() + 30)
            return bool(late) and time.monotonic() > late[0]

        if client.send(name, sending, is_over):
            done.append(sending)
            del done[:-500]
        time.sleep(chance.uniform(0, LONGEST_PAUSE))


def main(address: str, log: str, seed: str) -> int:
    host, _, port = address.removeprefix("http://").partition(":")
    written, ending = Log(Path(log)), threading.Event()
    threads = [
        threading.Thread(target=work, args=((host, int(port)), written, f"t{number}", f"{seed} {number}", ending))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ending.set()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
