"""What a server says about itself: one JSON object a line on stderr, readable lines on a terminal; never a secret."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict

from trialwise.config.secrets import Secrets

HIDDEN = "[secret]"
SHORTEST_SECRET = 6  # a shorter value would blank out ordinary words
_PATTERNS = (
    r"tw_[irwa]_[A-Za-z0-9_-]{20,}",  # keys of trialwise
    r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{8,}",  # keys of Stripe
    r"whsec_[A-Za-z0-9+/=_-]{8,}",  # secrets of webhooks
    r"(?i:(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}",  # the Authorization header
)
_KEPT_IN_QUERIES, _KEPT_IN_USERS = "!$'()*,/:;?@", "!$&'()*+,;="  # what httpx leaves unescaped there
_SECRET_NAMES = re.compile(
    r"authorization|cookie|signature|secret|password|passwd|token|api[-_]?key|write[-_]?key|stripe_key", re.IGNORECASE
)


class Redactor:
    """Takes secrets out of whatever is to be logged: known values, things that look like keys, and telling names."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        ways = {way for secret in secrets for way in _ways_to_write(secret)}
        known = sorted((way for way in ways if len(way) >= SHORTEST_SECRET), key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, known), *_PATTERNS]))

    def __call__(self, _logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """As a structlog processor."""
        return {self.text(str(name)): self.value(value, str(name)) for name, value in event.items()}

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(HIDDEN, text)

    def value(self, value: Any, name: str = "") -> Any:
        """A logged value without secrets; whatever has a telling name is hidden whole."""
        if value is not None and name and _SECRET_NAMES.search(name):
            return HIDDEN
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "backslashreplace"))
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner, str(key)) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(inner) for inner in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))


def _ways_to_write(secret: str) -> set[str]:
    """How messages of libraries spell a value: as it is, in a URL, in base64, in markup, quoted by repr or JSON."""
    found = {secret, html.escape(secret), urllib.parse.quote_plus(secret)}
    found |= {urllib.parse.quote(secret, safe=safe) for safe in ("", "/", _KEPT_IN_QUERIES, _KEPT_IN_USERS)}
    for told in (secret, f"{secret}:", f":{secret}"):  # Basic authentication, where it is one half
        raw = told.encode("utf-8", "surrogatepass")
        found |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    for _ in range(3):  # a quoted text is quoted again where it stands in another one, and that in a third
        found |= {way for text in found for way in _quoted(text)}
    return found


def _quoted(text: str) -> set[str]:
    raw = repr(text.encode("utf-8", "surrogatepass"))[2:-1]
    plain = {repr(text)[1:-1], ascii(text)[1:-1], raw}
    return plain | {json.dumps(text, ensure_ascii=either)[1:-1] for either in (True, False)}


def configure(secrets: Iterable[str] = (), stream: TextIO | None = None, **always: Any) -> None:
    """Send everything logged by trialwise and its libraries to `stream` (stderr); `always` stands in every line.

    secrets: values that must never be shown, whatever they occur in. Uncaught exceptions are logged too.
    """
    target = sys.stderr if stream is None else stream
    redact = Redactor(secrets)
    is_terminal = target.isatty()

    def named(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**always, **event}

    shared: list[structlog.typing.Processor] = [
        named,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True) if is_terminal else structlog.processors.JSONRenderer(default=str)
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("trialwise").setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def secrets_of(secrets: Secrets) -> list[str]:
    """Every value of the environment that must not be shown."""
    found = [secrets.stripe_key or "", *secrets.http.values()]
    for several in secrets.webhooks.values():
        found += several
    found += [part for value in found for part in value.split(":", 1)]  # user:password is sent as one, or as two
    return [value for value in found if value]


def say(line: str, stream: TextIO | None = None) -> None:
    """A line for people and scripts that wait for it, outside of the log."""
    target = sys.stderr if stream is None else stream
    target.write(line + "\n")
    target.flush()


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    log: Callable[..., Any] = structlog.get_logger("trialwise").critical
    log("uncaught exception", exc_info=(kind, error, trace))
