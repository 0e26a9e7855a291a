"""Folders that may be read and not written, or not even read; also for tests that run as root, who may do anything."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION_3 = 0x20080522
_OVERRIDES = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder with all in it, to be read alone."""
    with _modes([folder, *folder.rglob("*")], 0o555), _an_ordinary_user():
        yield


@contextmanager
def no_access(folder: Path) -> Iterator[None]:
    """A folder that is somebody else's."""
    with _modes([folder], 0o000), _an_ordinary_user():
        yield


@contextmanager
def _modes(paths: list[Path], mask: int) -> Iterator[None]:
    before = {path: path.stat().st_mode for path in paths}
    for path, mode in before.items():
        path.chmod(mode & mask)
    try:
        yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


@contextmanager
def _an_ordinary_user() -> Iterator[None]:
    """This thread is asked for rights as any user's is."""
    if os.geteuid() != 0:
        yield
        return
    libc, header, held = ctypes.CDLL(None, use_errno=True), _Header(_VERSION_3, 0), (_Set * 2)()
    assert libc.capget(ctypes.byref(header), held) == 0
    before = held[0].effective
    held[0].effective = before & ~_OVERRIDES
    assert libc.capset(ctypes.byref(header), held) == 0
    try:
        yield
    finally:
        held[0].effective = before
        assert libc.capset(ctypes.byref(header), held) == 0
