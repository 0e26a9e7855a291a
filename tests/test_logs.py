"""Logs: JSON a line, secrets taken out wherever they stand."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import stripe
import structlog
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from trialwise import logs

MARK = "C4N4RY"
WEBHOOK, HTTP = f"wh00k-{MARK}-value", f'pull "{MARK}" \\ é'
CANARIES = {
    "webhook": WEBHOOK,
    "http": HTTP,
    "stripe": f"sk_live_{MARK}51aAbBcC",
    "restricted": f"rk_test_{MARK}51aAbBcC",
    "signing": f"whsec_{MARK}AAAA/BBBB+CC==",
    "key": f"tw_i_{MARK}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_AAA",
    "basic": f"Basic Y2Fu{MARK}OmNhbmFyeQ==",
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, hook, thread_hook = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    stream = io.StringIO()
    logs.configure([WEBHOOK, HTTP, "tiny"], stream, process="collector 1")
    yield stream
    root.handlers[:], sys.excepthook, threading.excepthook = handlers, hook, thread_hook
    root.setLevel(level)
    logging.getLogger("trialwise").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_level_time_and_process(logged: io.StringIO) -> None:
    structlog.get_logger("trialwise.x").info("loaded", records=3, seconds=0.5, source=None)
    [line] = lines(logged)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "loaded", "records": 3, "seconds": 0.5, "source": None, "level": "info", "process": "collector 1",
    }  # fmt: skip


def test_libraries_say_it_the_same_way(logged: io.StringIO) -> None:
    logging.getLogger("another.library").warning("odd request from %s", "somewhere")
    logging.getLogger("sqlglot").info("not worth a line")
    [line] = lines(logged)
    assert (line["event"], line["level"]) == ("odd request from somewhere", "warning")


@pytest.mark.parametrize("kind", list(CANARIES))
def test_secrets_are_nowhere(logged: io.StringIO, kind: str) -> None:
    canary = CANARIES[kind]
    log = structlog.get_logger("trialwise.x")
    log.info(f"in the text: {canary}", value=canary, nested={"list": [canary, {canary: canary}]}, raw=canary.encode())
    logging.getLogger("another.library").error("a library says %s", canary)
    try:
        raise ValueError(f"refused {canary}")
    except ValueError:
        log.exception("failed", error=ValueError(canary))
    assert sys.excepthook is not sys.__excepthook__
    sys.excepthook(RuntimeError, RuntimeError(canary), None)
    thread = threading.Thread(target=lambda: (_ for _ in ()).throw(RuntimeError(canary)))
    thread.start()
    thread.join()
    written = logged.getvalue()
    assert len(lines(logged)) == 5
    assert MARK not in written
    assert written.count(logs.HIDDEN) >= 9


@pytest.mark.parametrize(
    "name", ["Authorization", "x-twilio-signature", "client_secret", "API-Key", "writeKey", "Cookie"]
)
def test_values_with_telling_names_are_hidden_whatever_they_are(logged: io.StringIO, name: str) -> None:
    structlog.get_logger("trialwise.x").info("request", headers={name: "looks harmless", "host": "example.com"})
    assert lines(logged)[0]["headers"] == {name: logs.HIDDEN, "host": "example.com"}


def test_short_values_do_not_blank_out_words(logged: io.StringIO) -> None:
    structlog.get_logger("trialwise.x").info("a tiny thing")
    assert lines(logged)[0]["event"] == "a tiny thing"


def test_a_terminal_gets_readable_lines(logged: io.StringIO) -> None:
    terminal = Terminal()
    logs.configure([WEBHOOK], terminal)
    structlog.get_logger("trialwise.x").info("loaded", value=WEBHOOK)
    assert "loaded" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert WEBHOOK not in terminal.getvalue()


def test_lines_for_scripts_stand_alone() -> None:
    stream = io.StringIO()
    logs.say("listening on http://127.0.0.1:8484", stream)
    assert stream.getvalue() == "listening on http://127.0.0.1:8484\n"


def failing_calls() -> Iterator[tuple[str, Callable[[], object]]]:
    """Calls of the libraries that are handed secrets, each of which fails."""
    nowhere, request = "http://127.0.0.1:9", httpx.Request
    for url in (
        httpx.URL(nowhere, params={"key": HTTP}),
        httpx.URL(f"{nowhere}/?key={quote(HTTP, safe='')}"),
        httpx.URL(f"{nowhere}/{quote(HTTP, safe='')}/events"),
        httpx.URL(nowhere, username=HTTP, password=WEBHOOK),
    ):
        yield "httpx status", lambda url=url: httpx.Response(500, request=request("GET", url)).raise_for_status()
        yield "httpx connect", lambda url=url: httpx.get(url, timeout=1)
        yield "httpx scheme", lambda url=url: httpx.get(url.copy_with(scheme="ftp"))
    yield "httpx header", lambda: httpx.get(nowhere, headers={"x-key": f"{HTTP}\n"})
    yield "httpx header text", lambda: httpx.get(nowhere, headers={"x-key": f"{HTTP}\ud800"})
    yield "httpx url", lambda: httpx.URL(f"http://{HTTP}\x00")
    for key in (CANARIES["stripe"], f"{CANARIES['stripe']} {WEBHOOK}\n"):
        api = stripe.StripeClient(key, base_addresses={"api": nowhere}, max_network_retries=0).v1
        yield "stripe", api.customers.list
    yield "stripe signature", lambda: stripe.Webhook.construct_event("{}", "t=1,v1=a", CANARIES["signing"])
    yield "stripe header", lambda: stripe.Webhook.construct_event("{}", CANARIES["signing"], WEBHOOK)
    yield "cryptography der", lambda: load_der_public_key(WEBHOOK.encode())
    yield "cryptography pem", lambda: load_pem_public_key(WEBHOOK.encode())
    yield "base64", lambda: base64.b64decode(HTTP, validate=True)
    yield "ascii", lambda: HTTP.encode("ascii")
    yield "number", lambda: int(HTTP)
    yield "key", lambda: {}[HTTP]
    yield "json", lambda: fail(json.dumps(json.dumps({"k": HTTP})))
    yield "bytes", lambda: fail({"authorization": HTTP.encode()})
    yield "markup", lambda: fail(html.escape(HTTP))
    for told in (HTTP, f"{HTTP}:", f":{HTTP}"):
        yield "basic", lambda told=told: fail(base64.b64encode(told.encode()).decode())
    yield "group", lambda: fail_together(ValueError(quote(HTTP)), KeyError(HTTP))


def fail(what: object) -> None:
    raise ValueError(what)


def fail_together(*errors: Exception) -> None:
    try:
        fail(HTTP)
    except ValueError as error:
        error.add_note(repr(HTTP))
        raise ExceptionGroup("several", errors) from error


def test_exceptions_of_libraries_show_no_secret_however_they_spell_it(logged: io.StringIO) -> None:
    calls = list(failing_calls())
    for name, call in calls:
        before = logged.tell()
        try:
            call()
        except Exception as error:
            structlog.get_logger("trialwise.x").exception("failed", work=name, error=error)
            logging.getLogger("library").exception("failed: %r, %s", error, error)
        else:
            raise AssertionError(f"{name} did not fail")
        written = logged.getvalue()[before:]
        assert MARK not in written, name
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            for told in (HTTP, f"{HTTP}:", f":{HTTP}"):
                assert encode(told.encode()).decode().rstrip("=") not in written, name
    assert len(lines(logged)) == 2 * len(calls)
