"""Commands while a server lives: carried out by it as if here, in order, whatever becomes of either side."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import structlog

from tests.command import run
from tests.serving import until
from trialwise import __version__, arrivals, pipeline, upkeep
from trialwise.arrivals import Imported
from trialwise.clock import Clock
from trialwise.diagnosis import Finding
from trialwise.engines.duckdb import connect
from trialwise.errors import CheckFailed, ConfigError, InputError, NotFoundError, StoreError, TrialwiseError
from trialwise.landing.quarantine import Quarantined
from trialwise.landing.report import ImportReceipt, LoadReport
from trialwise.owner import asking, service, wire
from trialwise.owner.operations import REFRESH, Wanted
from trialwise.owner.service import Owner
from trialwise.owner.wire import Asked, Failure, Told, valued
from trialwise.pipeline import Refreshed
from trialwise.runs import Ledger
from trialwise.transform.build import BuildReport, Built
from trialwise.transform.check import CheckResult
from trialwise.transform.incremental import Step
from trialwise.workspace import Workspace, claim

NOON = datetime(2026, 3, 1, 12, 0, 0, 5)
LOADED = LoadReport(5, 3, 1, 1, 0, 2, "the store was empty", {"bad_json": 1})
REFRESHED = Refreshed(
    Path("/data/published/000007.duckdb"),
    Clock(NOON, NOON, "Europe/Berlin"),
    LOADED,
    BuildReport(
        (Built("marts.trials", 7, 0.25), Built("staging.events", None, 0.0)),
        (CheckResult("marts.trials", "trial_id is not null", "warn", 2, ("trial_id=\x00é 💥",), 0.5),),
    ),
    (Step("marts.trials", "restricted", "intermediate.trials", 3, 7, 0.25), Step("staging.events", "unchanged", "")),
    1.5,
    NOON,
)
RECEIPT = ImportReceipt("a.csv", "events", "flat", "ab" * 32, 5, 5, refused=1, repeats=NOON)
ANA = "ana@example.com"
RECORD = Quarantined("3f2a", "events", None, 3, 17, "bad_utf8", None, b"\xff\x00\n{", NOON, None, 4)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    run("init", tmp_path)
    return Workspace.open(tmp_path)


@pytest.fixture
def told() -> list[tuple[str, str | None]]:
    return []


@pytest.fixture
def owner(workspace: Workspace, told: list[tuple[str, str | None]]) -> Iterator[Owner]:
    """An owner that takes commands, in threads of this process."""
    with workspace.owned() as held:
        serving = Owner(held, lambda name, _s, error, _r: told.append((name, error and error.message)))
        thread = serving.serve(workspace.socket)
        yield serving
        serving.stop()
        thread.join(10)
    assert not workspace.socket.exists()


def test_it_is_busy_with_what_is_for_the_store_until_that_is_done(owner: Owner) -> None:
    """An end waits while it is, so it must not be for ever."""
    go_on = threading.Event()
    owner.begin("poll", go_on.wait, 30)
    assert not owner.is_busy
    owner.begin("refresh", go_on.wait, 30, is_for_store=True)
    assert owner.is_busy
    go_on.set()
    owner.join(30)
    assert not owner.is_busy


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Refreshed, REFRESHED),
        (LoadReport, LOADED),
        (Imported, Imported((RECEIPT, replace(RECEIPT, repeats=None)), None)),
        (Imported, Imported((), LOADED)),
        (Quarantined, RECORD),
        (list[Finding], [Finding("warning", "disk", "full", "make room")]),
        (Path, Path("/a/b")),
        (bytes, bytes(range(256))),
    ],
)
def test_results_travel_unchanged(kind: Any, value: Any) -> None:
    line = Told(result=valued(kind)(value=value).model_dump_json()).model_dump_json()
    assert "\n" not in line
    result = Told.model_validate_json(line).result
    assert result is not None
    assert valued(kind).model_validate_json(result).value == value


@pytest.mark.parametrize(
    "error",
    [
        CheckFailed("3 rows are bad", "look", {("marts.trials", "a"), ("marts.trials", "b")}),
        NotFoundError("nothing is called x"),
        ConfigError("no key\nno value", "write it"),
        StoreError("gone"),
    ],
)
def test_errors_travel_unchanged(error: TrialwiseError) -> None:
    again = Failure.model_validate_json(Failure.of(error).model_dump_json()).error()
    assert type(again) is type(error)
    assert (str(again), again.message, again.hint, again.exit_code) == (
        str(error), error.message, error.hint, error.exit_code,
    )  # fmt: skip
    assert getattr(again, "checks", None) == getattr(error, "checks", None)


@pytest.mark.parametrize("kind", ["Unheard", "nearest", "annotations"])
def test_an_error_nobody_knows_is_an_error_all_the_same(kind: str) -> None:
    assert type(Failure(kind=kind, message="x").error()) is TrialwiseError


def test_every_operation_goes_to_the_owner_with_its_arguments(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def doing(module: Any, name: str, result: Any) -> None:
        def done(held: Workspace, *arguments: Any, **named: Any) -> Any:
            assert held.turns is not None, "done here, not by the owner"
            named.pop("progress", None)
            calls.append((name, arguments, named))
            return result

        monkeypatch.setattr(module, name, done)

    frame = pl.DataFrame({"quarantine_id": ["3f2a"], "bytes": [4], "landed_at": [NOON]})
    doing(pipeline, "refresh", REFRESHED)
    doing(pipeline, "load_landed", LOADED)
    doing(arrivals, "quarantined", frame)
    doing(arrivals, "quarantined_record", RECORD)
    doing(arrivals, "retry_record", Imported((RECEIPT,), LOADED))
    doing(upkeep, "diagnosis", [Finding("ok", "quarantine", "empty")])
    (workspace.folder / "a.csv").write_text("event,user_id\nLogin,ana\n")
    assert asking.refresh(workspace, as_of="2026-03-01", known_at="2026-03-02", into=Path("x.duckdb")) == REFRESHED
    assert asking.quarantined(workspace, reason="bad_json", waiting=False, most=3).equals(frame)
    assert asking.quarantined_record(workspace, "3f") == RECORD
    assert asking.retry_record(workspace, "3f", b"\xff{}") == Imported((RECEIPT,), LOADED)
    assert asking.diagnosis(workspace) == [Finding("ok", "quarantine", "empty")]
    imported = asking.import_files(workspace, [workspace.folder / "a.csv"], kind="events")
    assert ([receipt.received for receipt in imported.receipts], imported.loaded) == ([1], LOADED)
    assert calls == [
        (
            "refresh",
            (),
            {"as_of": "2026-03-01", "known_at": "2026-03-02", "into": Path("x.duckdb").resolve(), "full": False},
        ),
        ("quarantined", (), {"reason": "bad_json", "waiting": False, "most": 3}),
        ("quarantined_record", ("3f",), {}),
        ("retry_record", ("3f", b"\xff{}"), {}),
        ("diagnosis", (), {}),
        ("load_landed", (), {"since": 1}),
    ]


def test_errors_are_raised_where_the_command_was_typed(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str | None]]
) -> None:
    failed = CheckFailed("2 rows are bad", "look", {("marts.trials", "a")})
    monkeypatch.setattr(pipeline, "refresh", _raising(failed))
    assert "2 rows are bad\nlook" in run("refresh", "-C", workspace.folder, code=3).err
    monkeypatch.setattr(pipeline, "refresh", _raising(ZeroDivisionError("oops")))
    assert "refresh failed: ZeroDivisionError: oops" in run("refresh", "-C", workspace.folder, code=1).err
    until(lambda: len(told) == 2)
    assert told == [("refresh", "2 rows are bad"), ("refresh", "refresh failed: ZeroDivisionError: oops")]


def test_an_error_of_the_engine_tells_nothing_of_the_records(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str | None]]
) -> None:
    def refresh(*_: Any, **__: Any) -> Any:
        connect().rows("SELECT CAST($v AS INTEGER)", {"v": ANA})

    monkeypatch.setattr(pipeline, "refresh", refresh)
    stream = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(
            service,
            "log",
            structlog.wrap_logger(structlog.PrintLogger(stream), [structlog.processors.format_exc_info, str_of]),
        )
        said = run("refresh", "-C", workspace.folder, code=1).err
    until(lambda: len(told) == 1)
    assert "refresh failed: ConversionException: Conversion Error: Could not convert string …" in said
    assert "work failed" in stream.getvalue()
    assert "Could not convert string …" in stream.getvalue()
    assert ANA not in said + stream.getvalue() + str(told)


def str_of(_logger: Any, _method: str, event: Any) -> str:
    return "\n".join(map(str, event.values()))


def _raising(error: Exception) -> Any:
    def refresh(*_: Any, **__: Any) -> Any:
        raise error

    return refresh


def test_one_at_a_time_in_the_order_they_came(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    inside: list[str] = []
    go_on = threading.Event()

    def refresh(held: Workspace, *, as_of: str, **_: Any) -> Refreshed:
        with held.lock():
            inside.append(as_of)
            assert len(inside) == 1, inside
            if as_of == "0":
                assert go_on.wait(30)
            order.append(as_of)
            inside.remove(as_of)
        return REFRESHED

    monkeypatch.setattr(pipeline, "refresh", refresh)
    waits: list[str] = []
    threads = []
    for number in range(6):
        steps: list[str] = waits if number == 5 else []
        asked = {"as_of": str(number), "progress": lambda step, _d, _t, steps=steps: steps.append(step)}
        threads.append(threading.Thread(target=asking.refresh, args=(workspace,), kwargs=asked))
        threads[-1].start()
        until(lambda wanted=number + 1: len(owner.running) == wanted)
        turns = owner.workspace().turns
        until(lambda wanted=number, turns=turns: len(turns._waiting) == wanted)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert order == ["0", "1", "2", "3", "4", "5"]
    assert waits[0].startswith("waiting for refresh")
    assert owner.running == ()


def test_a_thread_that_asks_twice_is_told(workspace: Workspace) -> None:
    with workspace.owned() as held, held.lock(), pytest.raises(RuntimeError, match="twice"), held.lock():
        raise AssertionError("it was given twice")


def test_progress_is_streamed(owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refresh(_: Workspace, *, progress: Any, **__: Any) -> Refreshed:
        for number in range(20):
            progress(f"model {number}", number, 20)
        return REFRESHED

    monkeypatch.setattr(pipeline, "refresh", refresh)
    seen: list[tuple[str, int, int]] = []
    asking.refresh(workspace, progress=lambda *step: seen.append(step))
    assert seen == [(f"model {number}", number, 20) for number in range(20)]


def test_a_command_that_does_not_listen_holds_nothing_up(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    def refresh(_: Workspace, *, progress: Any, **__: Any) -> Refreshed:
        for number in range(20_000):
            progress(f"model {number} {'x' * 100}", number, 20_000)
        return REFRESHED

    monkeypatch.setattr(pipeline, "refresh", refresh)
    connection = _ask_refresh(workspace)
    until(lambda: told)  # done, although nobody has read a byte
    with connection, connection.makefile("rb") as lines:
        answers = [Told.model_validate_json(line) for line in lines]
    assert answers[-1].result is not None, "every line is whole, and the last one is the result"
    assert all(answer.progress is not None for answer in answers[:-1])
    assert 1 < len(answers) < 20_000


def test_a_command_that_was_killed_leaves_the_work_to_be_finished(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def refresh(_: Workspace, *, progress: Any, **__: Any) -> Refreshed:
        began.set()
        assert go_on.wait(30)
        progress("a", 1, 3)
        progress("b", 2, 3)
        progress("c", 3, 3)
        return REFRESHED

    monkeypatch.setattr(pipeline, "refresh", refresh)
    connection = _ask_refresh(workspace)
    assert began.wait(30)
    connection.close()
    go_on.set()
    until(lambda: told)
    assert told == [("refresh", None)]


def test_ctrl_c_stops_the_waiting_not_the_work(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    go_on = threading.Event()

    def refresh(_: Workspace, *, progress: Any, **__: Any) -> Refreshed:
        progress("a", 1, 3)
        assert go_on.wait(30)
        return REFRESHED

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "refresh", refresh)
    with pytest.raises(KeyboardInterrupt, match="the server goes on with the refresh"):
        asking.refresh(workspace, progress=interrupted)
    assert told == []
    go_on.set()
    until(lambda: told)


@pytest.mark.parametrize("answer", [b"", b'{"progress":["a",1,2]}\n', b'{"progress":["a"', b"\xff\n"])
def test_an_owner_that_was_killed_is_told_with_what_to_do(workspace: Workspace, answer: bytes) -> None:
    workspace.data.mkdir()
    with wire.listen(workspace.socket) as listening:

        def die() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(StoreError, match="the server ended") as told:
            asking.refresh(workspace)
        thread.join()
    assert told.value.hint is not None
    assert "Run the command again" in told.value.hint


def test_without_a_live_owner_it_is_done_here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "diagnosis", lambda held: [Finding("ok", "here", str(held.turns))])
    here = [Finding("ok", "here", "None")]
    assert asking.diagnosis(workspace) == here
    workspace.data.mkdir()
    wire.listen(workspace.socket).close()  # what a killed server leaves
    assert workspace.socket.exists()
    assert asking.diagnosis(workspace) == here


def test_commands_that_need_the_store_wait_for_each_other(workspace: Workspace) -> None:
    """Two typed at once, while a third has the store: both end well, and say meanwhile whom they wait for."""
    command = [sys.executable, "-m", "trialwise", "refresh", "--full", "-C", str(workspace.folder)]
    with workspace.lock():
        waiting = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        assert all(
            process.stderr is not None and f"waiting for process {os.getpid()}" in process.stderr.readline()
            for process in waiting
        )
        assert Ledger(workspace.data).runs() == [], "who waits does not run yet"
    said = [process.communicate(timeout=120)[1] for process in waiting]
    assert [process.returncode for process in waiting] == [0, 0], said
    assert [run.status for run in Ledger(workspace.data).runs()] == ["ok", "ok"]


def test_a_command_that_waits_asks_the_server_that_came_up_meanwhile(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str | None]]
) -> None:
    done: list[Refreshed] = []

    def refresh(asked: Workspace, **_: Any) -> Refreshed:
        with asked.lock():
            return REFRESHED

    monkeypatch.setattr(pipeline, "refresh", refresh)
    with workspace.owned() as held:
        said: list[str] = []
        command = threading.Thread(
            target=lambda: done.append(asking.refresh(workspace, progress=lambda step, *_: said.append(step)))
        )
        command.start()
        until(lambda: bool(said))
        serving = Owner(held, lambda name, _s, error, _r: told.append((name, error and error.message)))
        thread = serving.serve(workspace.socket)
        command.join(30)
        serving.stop()
        thread.join(10)
    assert done == [REFRESHED]
    assert told == [("refresh", None)]
    assert [(run.job, run.status) for run in Ledger(workspace.data).runs()] == [("refresh", "ok")]


def test_an_import_beside_another_owner_lands_and_waits(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("event,user_id,timestamp\nOpened,u1,2026-03-01\n")
    with workspace.lock():
        done = asking.import_files(workspace, [file], kind="events")
    assert done.loaded is None
    assert done.receipts[0].pending == 1


def test_only_this_user_may_ask(owner: Owner, workspace: Workspace) -> None:
    mode = workspace.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_folder_that_takes_no_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be listened on: No such file"):
        wire.listen(tmp_path / "nowhere" / "owner.sock")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"), claim(tmp_path / "file" / "server.lock"):
        raise AssertionError("it was claimed")


def test_a_path_too_long_for_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    run("init", deep)
    workspace = Workspace.open(deep)
    assert len(os.fsencode(workspace.socket)) > 110
    monkeypatch.setattr(upkeep, "diagnosis", lambda held: [Finding("ok", "owner", str(held.turns is not None))])
    with workspace.owned() as held:
        owner = Owner(held)
        thread = owner.serve(workspace.socket)
        assert asking.diagnosis(workspace) == [Finding("ok", "owner", "True")]
        owner.stop()
        thread.join(10)
    assert asking.diagnosis(workspace) == [Finding("ok", "owner", "False")]


def test_an_edited_configuration_counts_for_the_next_command(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "diagnosis", lambda held: [Finding("ok", "zone", held.config.workspace.timezone)])
    path = workspace.folder / "trialwise.toml"
    assert asking.diagnosis(workspace)[0].found == "UTC"
    path.write_text('[workspace]\ntimezone = "Asia/Tokyo"\n')
    assert asking.diagnosis(workspace)[0].found == "Asia/Tokyo"
    path.write_text('[workspace]\ndata = "elsewhere"\n')
    with pytest.raises(ConfigError, match="elsewhere") as told:
        asking.diagnosis(workspace)
    assert told.value.hint == "Restart the server."
    path.write_text("nonsense = 1\n")
    with pytest.raises(ConfigError, match="nonsense"):
        asking.diagnosis(workspace)


@pytest.mark.parametrize(
    ("version", "operation", "error", "said"),
    [
        ("0.0.1", "refresh", StoreError, "this command 0.0.1"),
        (__version__, "format disk", InputError, "does not know"),
        (__version__, "refresh", InputError, "does not know"),
        (__version__, None, InputError, "does not know"),
    ],
)
def test_questions_that_cannot_be(
    owner: Owner, workspace: Workspace, version: str, operation: str | None, error: type[TrialwiseError], said: str
) -> None:
    asked = b"" if operation is None else _asked(version, operation, '{"value": {"as_of": 3}}')
    connection = wire.connect(workspace.socket)
    assert connection is not None
    with connection, connection.makefile("rb") as lines:
        connection.sendall(asked + b"\n")
        [line] = list(lines)
    failure = Told.model_validate_json(line).error
    assert failure is not None
    assert type(failure.error()) is error
    assert said in failure.message


def test_a_question_that_never_comes_costs_nothing(
    owner: Owner, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_QUESTION_SECONDS", 0.05)
    connection = wire.connect(workspace.socket)
    assert connection is not None
    with connection:
        assert connection.recv(1) == b""


def _asked(version: str, operation: str, arguments: str) -> bytes:
    return Asked(version=version, operation=operation, arguments=arguments).model_dump_json().encode()


def _ask_refresh(workspace: Workspace) -> socket.socket:
    """A command that has asked and does not read the answer."""
    connection = wire.connect(workspace.socket)
    assert connection is not None
    arguments = valued(REFRESH.takes)(value=Wanted()).model_dump_json()
    connection.sendall(_asked(__version__, "refresh", arguments) + b"\n")
    return connection
