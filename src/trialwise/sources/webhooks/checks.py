"""The checks providers have in common; every comparison takes the same time whatever it finds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, timedelta
from urllib.parse import parse_qsl

from trialwise.sources.webhooks.protocol import Refused, Request


def check_taken(request: Request, secrets: Sequence[str], methods: frozenset[str], max_bytes: int) -> None:
    """Raises Refused for a method nobody answers, a body that is too large, or a door without a secret."""
    if request.method not in methods:
        raise Refused("bad_method")
    if len(request.body) > max_bytes:
        raise Refused("too_large")
    if not secrets:
        raise Refused("not_configured")


def header(request: Request, name: str) -> str:
    """The header's value; raises Refused where it is missing or empty."""
    value = request.headers.get(name, "").strip()
    if not value:
        raise Refused("missing_signature")
    return value


def check_hmac(signature: bytes, message: bytes, secrets: Sequence[str], digest: str) -> None:
    """Raises Refused unless the signature is the HMAC of the message under one of the secrets."""
    fits = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), message, digest).digest()
        fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise Refused("wrong_signature")


def check_secret(given: str, secrets: Sequence[str]) -> None:
    """Raises Refused unless `given` is one of the secrets; digests are compared, so that lengths show nothing."""
    fits = False
    shown = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    for secret in secrets:
        fits |= hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), shown)
    if not fits:
        raise Refused("wrong_secret")


def check_url_secret(request: Request, secrets: Sequence[str]) -> None:
    """Raises Refused unless the URL's query carries one of the secrets as `secret`."""
    query = request.url.partition("#")[0].partition("?")[2]  # the rest need be no URL: it is what the client said
    given = [value for key, value in parse_qsl(query) if key == "secret"]
    if not given:
        raise Refused("missing_secret")
    check_secret(given[0], secrets)


def check_age(request: Request, sent: str, tolerance: timedelta, *, per_second: int = 1) -> None:
    """Raises Refused when `sent` (epoch, `per_second` to the second) is longer ago than `tolerance`, or no time."""
    if not sent.isascii() or not sent.isdigit() or len(sent) > 16:
        raise Refused("bad_timestamp")
    age = request.received_at.replace(tzinfo=UTC).timestamp() - int(sent) / per_second
    if age > tolerance.total_seconds():
        raise Refused("too_old")


def decoded(signature: str) -> bytes:
    """The bytes of a base64 signature; raises Refused where it is none."""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("malformed_signature") from None


def unhexed(signature: str) -> bytes:
    """The bytes of a hexadecimal signature; raises Refused where it is none."""
    try:
        return bytes.fromhex(signature)
    except ValueError:
        raise Refused("malformed_signature") from None
