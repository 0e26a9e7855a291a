"""Kill a process of the product at a chosen call. On PYTHONPATH of the processes under test, and nowhere else.

$STORM_FAULTS is a folder. A file `armed` in it names one call by token, role, call, match, via, nth and when.
The process of that role which makes the nth call that fits renames it to the token, so that nobody else does, and sends
itself SIGKILL.

role    child (a collector), parent (the server) or command
call    fsync, pwrite, rename, replace, unlink, sendall, sql
match   a pattern found in what the call is about: the path of a file with the data, both paths, the statement
via     a pattern found in who calls: the nearest function of the product that is not the engine's, FILE:FUNCTION
when    before, after, or half: of a write only its first half is done
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

ENGINE = "trialwise.engines.duckdb"
_open, _read, _close, _rename, _pwrite = os.open, os.read, os.close, os.rename, os.pwrite
_mutex = threading.Lock()
_counted: dict[str, int] = {}


def _role() -> str | None:
    words = sys.orig_argv
    if "trialwise.server.child" in words:
        return "child"
    if "trialwise" not in words:
        return None
    return "parent" if "serve" in words else "command"


def _install(folder: str, role: str) -> None:
    armed = f"{folder}/armed"

    def order() -> dict[str, Any] | None:
        try:
            descriptor = _open(armed, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            found: dict[str, Any] = json.loads(_read(descriptor, 1 << 16))
        finally:
            _close(descriptor)
        return found

    def due(call: str, what: Callable[[], str]) -> str | None:
        """When to die of this call, or None."""
        told = order()
        if told is None or told["role"] != role or call not in told["call"].split("|"):
            return None
        if re.search(told["match"], what()) is None or re.search(told["via"], _caller()) is None:
            return None
        with _mutex:
            count = _counted[told["token"]] = _counted.get(told["token"], 0) + 1
        if count < told["nth"]:
            return None
        try:
            _rename(armed, f"{folder}/{told['token']}")
        except OSError:  # another process was at it first
            return None
        return str(told["when"])

    def watched(name: str, call: Callable[..., Any], what: Callable[..., str]) -> Callable[..., Any]:
        def watching(*arguments: Any, **named: Any) -> Any:
            when = due(name, lambda: what(*arguments))
            if when is None:
                return call(*arguments, **named)
            if when == "after":
                call(*arguments, **named)
            elif when == "half":
                descriptor, data, offset = arguments
                _pwrite(descriptor, memoryview(data)[: max(1, len(data) // 2)], offset)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("still alive")

        return watching

    for name in ("rename", "replace"):
        setattr(os, name, watched(name, getattr(os, name), lambda source, target: f"{source} -> {target}"))
    os.unlink = watched("unlink", os.unlink, lambda path, **_: str(path))
    os.fsync = watched("fsync", os.fsync, _path)
    os.pwrite = watched(
        "pwrite", os.pwrite, lambda descriptor, data, offset: f"{_path(descriptor)} {bytes(data[:300])!r}"
    )
    sendall: Callable[..., Any] = watched("sendall", socket.socket.sendall, lambda sending, *_: str(sending.family))
    socket.socket.sendall = sendall  # type: ignore[method-assign]

    def wrap(module: ModuleType) -> None:
        for method in ("execute", "rows"):
            setattr(
                module.Engine, method, watched("sql", getattr(module.Engine, method), lambda _self, sql, *_: str(sql))
            )

    sys.meta_path.insert(0, _Finder(wrap))


def _path(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


def _caller() -> str:
    """FILE:FUNCTION of the product that made the call; the engine's own and the durable steps are looked through."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if "/trialwise/" in file and not file.endswith(("/engines/duckdb.py", "/landing/durable.py")):
            return f"{file.rpartition('/trialwise/')[2]}:{frame.f_code.co_name}"
        frame = frame.f_back
    return ""


class _Finder(MetaPathFinder):
    """Calls back when the engine's module has been imported."""

    def __init__(self, then: Callable[[ModuleType], None]) -> None:
        self._then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != ENGINE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        run = spec.loader.exec_module

        def run_and_tell(module: ModuleType) -> None:
            run(module)
            self._then(module)

        spec.loader.exec_module = run_and_tell  # type: ignore[method-assign]
        return spec


if (_folder := os.environ.get("STORM_FAULTS")) and (_mine := _role()):
    _install(_folder, _mine)
