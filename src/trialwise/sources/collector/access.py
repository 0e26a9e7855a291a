"""Who is asking: the key of a request, its host, and the page it comes from."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from urllib.parse import urlsplit

from trialwise.sources.collector.answer import Headers, Refusal
from trialwise.sources.collector.doors import ANY_HOST, Authorize

SCOPES = ("ingest", "read", "write", "admin")
_TOKEN = re.compile(rb"[\x21-\x7e]{1,512}")
_FIELD_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_CHALLENGE = (b"www-authenticate", b'Basic realm="trialwise", charset="UTF-8"')


def token_of(headers: dict[bytes, bytes]) -> str | None:
    """The key of a request: the user name of Basic (Segment's clients), Bearer, or X-Api-Key; None without one.

    Raises Refusal (401) for credentials that cannot be read.
    """
    credentials = headers.get(b"authorization")
    if credentials is None:
        plain = headers.get(b"x-api-key")
        return None if plain is None else _checked(plain.strip())
    return _token_in(credentials)


@lru_cache(1024)
def _token_in(credentials: bytes) -> str | None:
    scheme, _, rest = credentials.strip().partition(b" ")
    scheme = scheme.lower()
    if scheme == b"basic":
        try:
            user, _, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            raise _unauthorized("the Basic credentials are not base64") from None
        return _checked(user or password)
    if scheme == b"bearer":
        return _checked(rest.strip())
    raise _unauthorized("Authorization must be Basic with the key as user name, or Bearer")


def check_scope(authorize: Authorize, token: str | None, scope: str) -> None:
    """Raises Refusal: 401 for no key or one nobody knows, 403 for a key of another scope."""
    if authorize(token, scope):
        return
    if token is None:
        raise _unauthorized("a key is needed: as user name of Basic authentication, as Bearer token or in X-Api-Key")
    if any(authorize(token, other) for other in SCOPES if other != scope):
        raise Refusal(403, "wrong_scope", f"this key has not the scope '{scope}'")
    raise _unauthorized("nobody knows this key; 'trialwise keys list' shows those there are")


def check_host(headers: dict[bytes, bytes], allowed: frozenset[str]) -> None:
    """Raises Refusal: 400 without a Host, 421 for a name the server does not answer to."""
    if ANY_HOST in allowed:
        return
    name = _name(headers.get(b"host", b""))
    if not name:
        raise Refusal(400, "no_host", "the request names no host")
    if name not in allowed:
        raise Refusal(
            421,
            "unknown_host",
            "the server does not answer to this host name; [server] allowed_hosts lists those it does",
        )


def check_origin(headers: dict[bytes, bytes], authorize: Authorize, allowed: frozenset[str]) -> None:
    """While there is no key at all, pages of other sites are refused: any of them could write into the server on its
    visitor's own machine. Raises Refusal (401)."""
    if not authorize(None, "ingest"):
        return
    try:
        name = _name(urlsplit(headers[b"origin"]).netloc)
    except ValueError:
        name = ""
    if not name or (name not in allowed and ANY_HOST not in allowed):
        raise _unauthorized("pages of other sites need a key: 'trialwise keys create --scope ingest' makes one")


def preflight(headers: dict[bytes, bytes]) -> Headers:
    """The headers that let a page of any site send events: keys and Segment's own headers included, cookies not."""
    wanted = headers.get(b"access-control-request-headers", b"authorization, content-type")
    told = wanted if _FIELD_NAMES.fullmatch(wanted) else b"authorization, content-type"
    return [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", b"POST, OPTIONS"),
        (b"access-control-allow-headers", told),
        (b"access-control-max-age", b"86400"),
    ]


@lru_cache(1024)
def _name(value: bytes) -> str:
    """The host without its port, in lower case."""
    host = value.decode("latin-1").strip().lower()
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]


def _checked(token: bytes) -> str | None:
    if not token:
        return None
    if not _TOKEN.fullmatch(token):
        raise _unauthorized("the key holds characters that no key has")
    return token.decode("ascii")


def _unauthorized(message: str) -> Refusal:
    return Refusal(401, "unauthorized", message, headers=[_CHALLENGE])
