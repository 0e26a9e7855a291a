"""Requests to Stripe through its official SDK, each tried again while the trouble may pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import stripe

from trialwise.clock import utc_now
from trialwise.errors import ConfigError, SourceError
from trialwise.sources.backoff import Backoff, OutOfPatience, Transient, retry_after
from trialwise.sources.documents import pieces_of_text
from trialwise.sources.piece import Piece
from trialwise.sources.stripe.client import Client, Incomplete, Limits, quiet_sdk
from trialwise.sources.stripe.key import VARIABLE, Key, scrubbed

Answer = TypeVar("Answer")
PAGE = 100  # Stripe's most; without a limit a page has 10
TRIES = Backoff(tries=8, first_seconds=1.0, most_seconds=32.0, patience_seconds=300.0)


class NotReadable(Exception):
    """The key may not read this; `permission` is what Stripe says it lacks, or None."""

    def __init__(self, path: str, permission: str | None) -> None:
        super().__init__(path)
        self.path = path
        self.permission = permission


class Missing(Exception):
    """Stripe knows no such object; `is_cursor` when it is the one a page was to start after."""

    def __init__(self, path: str, is_cursor: bool) -> None:
        super().__init__(path)
        self.path = path
        self.is_cursor = is_cursor


@dataclass(frozen=True)
class Record:
    """One object of an answer: its bytes as received, and the little of it an importer has to know.

    `id` is empty and `created` (epoch seconds) None where the object has none.
    """

    piece: Piece
    object: str
    id: str
    created: int | None
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    records: tuple[Record, ...]
    has_more: bool


class Api:
    """What an account's key can read, as bytes.

    `now` is a UTC instant without zone (it dates Retry-After). Every method raises SourceError when Stripe stays out of
    reach after all tries or answers something that cannot be understood, ConfigError when it does not accept the key.
    """

    def __init__(
        self,
        key: Key,
        base: str,
        *,
        backoff: Backoff = TRIES,
        limits: Limits | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        quiet_sdk()
        self._http = Client(limits or Limits())
        self._client = stripe.StripeClient(
            key.secret, base_addresses={"api": base}, http_client=self._http, max_network_retries=0
        )
        self._base = base
        self._backoff = backoff
        self._run = backoff.run()
        self._now = now

    def page(self, path: str, params: Mapping[str, Any]) -> Page:
        """One page of the list at `path`; raises NotReadable, and Missing for a cursor Stripe does not know."""

        def attempt() -> Page:
            text, data = self._get(path, {"limit": PAGE, **params})
            found = _page(text, data)
            if found is None:
                raise Transient(f"Stripe's answer to GET {path} is no list page")
            return found

        return self._tried(attempt)

    def one(self, path: str) -> Record:
        """The object at `path`; raises NotReadable and Missing."""

        def attempt() -> Record:
            text, data = self._get(path, {})
            if not isinstance(data, dict):
                raise Transient(f"Stripe's answer to GET {path} is no object")
            return _record(Piece(1, 0, text.strip().encode()), data)

        return self._tried(attempt)

    def _tried(self, attempt: Callable[[], Answer]) -> Answer:
        try:
            return self._run.call(attempt)
        except OutOfPatience as error:
            raise SourceError(str(error)) from error
        except Transient as error:
            wait = error.retry_after
            if wait is not None and wait > self._backoff.patience_seconds:
                raise SourceError(f"{error}; it asks to come back in {wait:,.0f} s") from error
            raise SourceError(f"{error}, {self._backoff.tries} times in a row") from error

    def _get(self, path: str, params: Mapping[str, Any]) -> tuple[str, Any]:
        """(text as received, the same parsed). Raises Transient for what may pass, else as documented above."""
        try:
            answer = self._client.raw_request("get", path, **params)
        except Incomplete as error:
            raise Transient(f"GET {path} got {error}") from error
        except stripe.APIConnectionError as error:
            raise self._unreachable(path, error) from error
        except stripe.PermissionError as error:
            permission = re.search(r"\brak_\w+", error.user_message or "")
            raise NotReadable(path, permission[0] if permission else None) from error
        except stripe.StripeError as error:
            raise self._answered(path, params, error) from error
        return answer.body, answer.data

    def _unreachable(self, path: str, error: stripe.APIConnectionError) -> Exception:
        cause = error.__cause__
        reason = type(cause).__name__ if cause is not None else str(error)
        if reason == "SSLError":
            return SourceError(
                f"{self._base} shows no certificate that can be trusted",
                "Check [stripe] api_base and whether something on the way intercepts connections.",
            )
        return Transient(f"GET {path} at {self._base} got no whole answer ({reason})")

    def _answered(self, path: str, params: Mapping[str, Any], error: stripe.StripeError) -> Exception:
        status = error.http_status or 0
        if status == 401:
            return ConfigError(
                f"Stripe does not accept the key in {VARIABLE} (401)",
                "It was revoked, has expired or is another service's: make a new one (docs/howto/connect-stripe.md).",
            )
        if status in (409, 429) or status >= 500 or isinstance(error, stripe.RateLimitError):
            # The SDK's error knows no headers where the body is not Stripe's own, as that of a gateway is.
            asked = retry_after(self._http.answered.get("Retry-After"), self._now())
            return Transient(f"Stripe answered {status} to GET {path}", asked)
        if 200 <= status < 300:
            return Transient(f"Stripe's answer to GET {path} is no JSON: it was cut, or something on the way wrote it")
        parameter = getattr(error, "param", None)
        if status == 404 or error.code == "resource_missing":
            return Missing(path, is_cursor="starting_after" in params and parameter in (None, "starting_after"))
        said = scrubbed(error.user_message or "no reason given")
        return SourceError(
            f"Stripe refused GET {path} ({status}): {said}", "Check the key, [stripe] api_base and --since."
        )


def _page(text: str, data: Any) -> Page | None:
    """None when it is no list page."""
    if not isinstance(data, dict) or not isinstance(items := data.get("data"), list):
        return None
    pieces = list(pieces_of_text(text.encode(), "stripe")) if data.get("object") == "list" else []
    if len(pieces) != len(items) or not all(isinstance(item, dict) for item in items):
        return None
    if not items and data.get("has_more"):
        return None
    records = tuple(_record(piece, item) for piece, item in zip(pieces, items, strict=True))
    return Page(records, bool(data.get("has_more")))


def _record(piece: Piece, body: Mapping[str, Any]) -> Record:
    kind, name, created = body.get("object"), body.get("id"), body.get("created")
    return Record(
        piece,
        kind if isinstance(kind, str) else "",
        name if isinstance(name, str) else "",
        created if isinstance(created, int) else None,
        body,
    )
