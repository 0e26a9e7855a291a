from __future__ import annotations

import sys

import pytest

from trialwise import progress as module
from trialwise.progress import progress


def test_without_a_terminal_there_are_plain_lines_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 6.0, 7.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress("import") as report:
        report("reading", 1, 10)
        report("reading", 5, 10)
        report("reading", 6, 0)
    captured = capsys.readouterr()
    assert captured.err == "import: reading 50 %\n"
    assert captured.out == ""


def test_on_a_terminal_there_is_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("refresh") as report:
        report("models", 1, 2)
    assert capsys.readouterr().out == ""
