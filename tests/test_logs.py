"""Logs: JSON a line, secrets taken out wherever they stand."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

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
