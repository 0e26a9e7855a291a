"""One answer of an API: asked with its secret, read within limits of time and size, tried again while it may help."""

from __future__ import annotations

import base64
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from urllib.parse import quote

import httpx

from trialwise.clock import utc_now
from trialwise.config.environment import HTTP_PREFIX
from trialwise.connections import HttpSection, is_loopback
from trialwise.errors import ConfigError, SourceError
from trialwise.sources.backoff import Backoff, OutOfPatience, Transient, retry_after
from trialwise.sources.http.answer import Answer, PageRefused
from trialwise.sources.http.paging import Request

MAX_BYTES = 64 << 20
MAX_REDIRECTS = 5
_PASSING = frozenset({408, 425, 429})
_MOVED = frozenset({301, 302, 303, 307, 308})
_NO_PAGE = frozenset({400, 404, 409, 410, 416, 422})

# They log addresses with their query and headers of redirects, where a secret may stand.
for library in ("httpx", "httpcore"):
    logging.getLogger(library).setLevel(logging.WARNING)


class Client:
    """Asks one API. Not for several threads at a time.

    Secrets are in no message and in no saved address; they go to the configured origin alone.
    """

    def __init__(
        self,
        name: str,
        section: HttpSection,
        secret: str | None,
        *,
        backoff: Backoff | None = None,
        now: Callable[[], datetime] = utc_now,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Raises ConfigError when the address is none, or the secret is missing, needless, or cannot be sent."""
        self.name = name
        self._section = section
        try:
            url = httpx.URL(section.url)
            self._origin = _origin(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigError(
                f"[sources.http.{name}] url is no address: {error}", "Mend it in trialwise.toml."
            ) from None
        self._kind, _, self._place = section.auth.partition(" ")
        self._secret = _checked(name, section, secret)
        self._backoff = backoff or Backoff()
        self._run = self._backoff.run()
        self._now = now
        self._max_bytes = max_bytes
        self._asked_at = float("-inf")
        self._http = httpx.Client(
            headers={
                "accept": "application/json",
                "user-agent": f"trialwise/{version('trialwise')}",
                **section.headers,
            },
            timeout=section.timeout_seconds,
            follow_redirects=False,
            trust_env=not is_loopback(url.host),  # proxies, but not to this machine itself
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def where(self) -> str:
        """The source as messages name it."""
        return f"[sources.http.{self.name}] {shown(self._section.url)}"

    def ask(self, request: Request, understand: Callable[[Answer], object] = lambda _: None) -> Answer:
        """The answer to a request. `understand` may raise Transient for one that has to be asked for again.

        Raises SourceError when the API cannot be reached, refuses, sends something else, or names another host; its
        subclass PageRefused when it knows no such page.
        """

        def attempt() -> Answer:
            answer = self._once(request)
            understand(answer)
            return answer

        try:
            return self._run.call(attempt)
        except Transient as error:
            hint = "What was read is kept; the next pull goes on from here."
            if isinstance(error, OutOfPatience):
                raise SourceError(self._clean(str(error)), hint) from None
            if error.retry_after is not None and error.retry_after > self._backoff.patience_seconds:
                raise SourceError(
                    f"{self._clean(str(error))}; it asks to wait {error.retry_after:,.0f} s", hint
                ) from None
            raise SourceError(f"{self._clean(str(error))}, {self._backoff.tries} times in a row", hint) from None

    def absolute(self, address: str, base: str) -> str:
        """An address of a next page made whole, without secret.

        Raises SourceError when it leads to another origin: the secret is not for that one.
        """
        try:
            url = httpx.URL(base).join(address)
            origin = _origin(url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise SourceError(f"{self.where}: the address of the next page is none", "Ask its owner.") from None
        if self._kind == "query":
            url = url.copy_remove_param(self._place)
        if origin != self._origin:
            raise SourceError(
                f"{self.where} leads on to another host, {url.scheme}://{url.netloc.decode('ascii', 'replace')}",
                "What is sent is for the configured address alone. Set url to the host that has all pages.",
            )
        return str(url)

    def _once(self, request: Request) -> Answer:
        self._keep_the_rate()
        deadline = time.monotonic() + self._section.timeout_seconds
        url = httpx.URL(request.url)
        method, body = self._section.method, None
        if method == "GET":
            url = url.copy_merge_params({key: _text(value) for key, value in request.params.items()})
        else:
            body = dict(request.params)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                sent = url.copy_set_param(self._place, self._secret) if self._kind == "query" else url
                with self._http.stream(method, sent, json=body, headers=self._auth_headers()) as response:
                    if response.status_code in _MOVED and "location" in response.headers:
                        url = httpx.URL(self._redirect(method, response, str(url)))
                        continue
                    return self._read(response, str(url), deadline)
        except (httpx.TransportError, httpx.DecodingError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise SourceError(f"{self.where}: its certificate is not trusted", "Mend the certificate.") from None
            raise Transient(f"{self.where} {_said(error)}") from None
        except (httpx.InvalidURL, UnicodeError):  # the latter from names no name service could know
            raise SourceError(f"{self.where}: its url cannot be asked", "Check url in trialwise.toml.") from None
        raise SourceError(f"{self.where} redirects more than {MAX_REDIRECTS} times", "Set url to where it leads.")

    def _redirect(self, method: str, response: httpx.Response, base: str) -> str:
        if method == "POST" and response.status_code not in (307, 308):
            raise SourceError(f"{self.where} redirects a POST ({response.status_code})", "Set url to where it leads.")
        return self.absolute(response.headers["location"], base)

    def _read(self, response: httpx.Response, url: str, deadline: float) -> Answer:
        self._judge(response)
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise SourceError(
                    f"a page of {self.where} has more than {self._max_bytes >> 20} MiB",
                    "Ask for smaller pages: paging.size in trialwise.toml.",
                )
            if time.monotonic() > deadline:
                raise Transient(f"{self.where} takes longer than {self._section.timeout_seconds:g} s for an answer")
        link = response.links.get("next", {}).get("url")
        kind = response.headers.get("content-type", "")
        return Answer(url, bytes(body), kind, None if link is None else self.absolute(link, url))

    def _judge(self, response: httpx.Response) -> None:
        """Raises Transient or SourceError for every status but success."""
        status = response.status_code
        if 200 <= status < 300:
            return
        waits = retry_after(response.headers.get("retry-after"), self._now())
        if status in _PASSING or (status >= 500 and status != 501) or (status == 403 and waits is not None):
            raise Transient(f"{self.where} answers {status}", waits)
        if status in (401, 403, 407):
            secret = (
                f"Check {secret_name(self.name)} and auth." if self._kind != "none" else "Set auth in trialwise.toml."
            )
            raise SourceError(f"{self.where} refuses access ({status})", secret)
        kind = PageRefused if status in _NO_PAGE else SourceError
        raise kind(f"{self.where} answers {status}", "Check url, params and paging in trialwise.toml.")

    def _auth_headers(self) -> Mapping[str, str]:
        if self._kind == "bearer":
            return {"authorization": f"Bearer {self._secret}"}
        if self._kind == "basic":
            return {"authorization": f"Basic {_base64(self._secret)}"}
        return {self._place: self._secret} if self._kind == "header" else {}

    def _keep_the_rate(self) -> None:
        if self._section.requests_per_minute is not None:
            wait = self._asked_at + 60 / self._section.requests_per_minute - time.monotonic()
            if wait > 0:
                self._backoff.sleep(wait)
        self._asked_at = time.monotonic()

    def _clean(self, text: str) -> str:
        """A message without the secret, however it got in."""
        for form in {self._secret, quote(self._secret), quote(self._secret, safe=""), _base64(self._secret)} - {""}:
            text = text.replace(form, "***")
        return text


def secret_name(name: str) -> str:
    """The environment variable that holds the secret of a source."""
    return f"{HTTP_PREFIX}{name.upper()}"


def shown(url: str) -> str:
    """An address as messages show it: without its query, where keys may stand."""
    return url.partition("?")[0]


def _checked(name: str, section: HttpSection, secret: str | None) -> str:
    variable = secret_name(name)
    if section.auth == "none":
        if secret is not None:
            raise ConfigError(
                f'{variable} is set, but [sources.http.{name}] has auth = "none"',
                'Set auth to "bearer", "basic", "header NAME" or "query NAME", or unset the variable.',
            )
        return ""
    if not secret:
        raise ConfigError(
            f'[sources.http.{name}] has auth = "{section.auth}", but {variable} is not set',
            f"Set it in the environment{' to user:password' if section.auth == 'basic' else ''}.",
        )
    if section.auth == "basic":
        if ":" not in secret:
            raise ConfigError(
                f'{variable} is not user:password, which auth = "basic" needs', "Write both, with a colon."
            )
    elif not section.auth.startswith("query") and not (secret.isascii() and secret.isprintable()):
        raise ConfigError(f"{variable} has characters a header cannot carry", "Check it for line ends and the like.")
    return secret


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(error: Exception) -> str:
    """What went wrong with a connection, in words that hold nothing of the address."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "cannot be reached"
    if isinstance(error, httpx.TimeoutException):
        return "does not answer in time"
    if isinstance(error, httpx.DecodingError):
        return "sends a compressed answer that is damaged"
    return f"breaks off its answer ({type(error).__name__})"
