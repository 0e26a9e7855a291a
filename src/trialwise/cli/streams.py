"""What goes to stdout, data alone, and what goes to stderr: messages, without what a terminal would obey."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trialwise.cli.options import Format

if TYPE_CHECKING:
    from trialwise.delivery.generation import Generation


def show(frame: Any, form: Format, output: Path | None, results: Generation | None = None) -> None:
    """Write an answer; what moment it is of goes to stderr before it."""
    from trialwise.delivery.output import write

    if results is not None:
        say(results.caption)
    write(frame, form.value, output)


def say(message: str) -> None:
    """A message on stderr."""
    sys.stderr.write(harmless(message) + "\n")


def fail(message: str, code: int) -> NoReturn:
    """End with an error on stderr."""
    sys.stderr.write(f"trialwise: {harmless(message)}\n")
    sys.exit(code)


def file_name(file: str | None) -> str:
    """The name of a file, which may hold anything, on one line."""
    return harmless(file or "", "")


def harmless(text: str, kept: str = "\n") -> str:
    """A text whose control characters are shown, never sent to the terminal; those `kept` stay."""
    return "".join(one if one.isprintable() or one in kept else repr(one)[1:-1] for one in text)
