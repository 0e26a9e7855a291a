"""The history of a workspace that is refreshed: late records, definitions, rebuilds, backups, missed days."""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.book import content
from tests.command import run, write_lines
from tests.keeping import RUNNING
from tests.oracle.stripe_sim import DAY, StripeSim, seconds
from trialwise import pipeline
from trialwise.backup import make
from trialwise.delivery import past
from trialwise.engines.duckdb import Engine
from trialwise.restore import restore
from trialwise.shipped import packaged_sql
from trialwise.workspace import Workspace

START = seconds("2026-01-05")
CONFIG = """
[clock]
as_of = "2026-04-01"
[trials]
length_days = 14
[conversion]
grace_days = {grace_days}
refund_days = 30
"""


def _take(folder: Path, events: list[dict[str, Any]], kind: str) -> None:
    words = ("import", "events") if kind == "events" else ("import", "stripe", "--from")
    run(*words, write_lines(folder / f"{kind}.ndjson", events), "-C", folder)


def _restated(folder: Path, *words: str) -> list[dict[str, Any]]:
    return run("restatements", "-f", "json", *words, "-C", folder).rows()


def test_late_records_definitions_rebuilds_and_a_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trials of 5 to 19 January: one pays on the 24th, the other never. Of January 1 of 2 converted."""
    folder = tmp_path / "acme"
    folder.mkdir()
    toml = folder / "trialwise.toml"
    toml.write_text(CONFIG.format(grace_days=30), encoding="utf-8")
    sim = StripeSim()
    end = START + 14 * DAY
    invoice = None
    for name in ("payer", "leaver"):
        sub = sim.subscribe(sim.customer(START, name), START, trial_end=end)
        if name == "payer":
            sim.update(sub, end, status="active", period_start=end, period_end=end + 30 * DAY)
            invoice = sim.open_invoice(sub, end)
            sim.pay(invoice, end + 5 * DAY)
        else:
            sim.update(sub, end, event="deleted", status="canceled", ended_at=end)
    _take(folder, sim.ordered_events(), "stripe")
    run("refresh", "-C", folder)
    history = folder / "data" / "history.sqlite"
    before = history.read_bytes()
    assert _restated(folder) == []

    run("refresh", "--full", "-C", folder)
    assert history.read_bytes() == before, "the same results leave every byte"

    told = len(sim.events)
    assert invoice is not None
    sim.refund(invoice, end + 6 * DAY)  # of 25 January, known now
    _take(folder, sim.events[told:], "stripe")
    run("refresh", "-C", folder)
    rows = _restated(folder, "--metric", "trial_conversion")
    net_alone = {(f"{cohort}(net)", by) for cohort in ("start_cohort", "end_cohort") for by in ("week", "month")}
    assert {(row["definition"], row["by"]) for row in rows} == net_alone
    [net] = [row for row in rows if (row["definition"], row["by"]) == ("start_cohort(net)", "month")]
    assert (net["period_start"], net["first"], net["old"], net["new"]) == ("2026-01-01", 0.5, 0.5, 0.0)
    assert (net["old_numerator"], net["new_numerator"], net["new_denominator"]) == (1, 0, 2)
    assert net["causes"] == ["late_facts"]
    assert "Stripe record" in net["why"]
    assert net["why"].endswith("1 trial of it changed: refunded 1x")
    assert (net["old_generation"], net["generation"]) == (1, 3)
    assert net["as_of"] == "2026-04-02T00:00:00Z"

    before = history.read_bytes()
    (folder / "data" / "store.duckdb").unlink()
    run("refresh", "-C", folder)
    assert history.read_bytes() == before, "a store that is filled again changes nothing that was said"

    toml.write_text(CONFIG.format(grace_days=1), encoding="utf-8")  # its deadline is 23 January: a day before it paid
    run("refresh", "-C", folder)
    [gross] = [row for row in _restated(folder) if (row["definition"], row["by"]) == ("start_cohort", "month")]
    assert (gross["old"], gross["new"], gross["causes"]) == (0.5, 0.0, ["settings"])
    assert gross["why"].startswith("settings: conversion.grace_days 30 -> 1; ")
    shown = run("metrics", "trial_conversion", "--definition", "start_cohort", "--no-plot", "-C", folder)
    assert "restated since first published" in shown.err
    assert "1x" in shown.out
    monkeypatch.setenv("COLUMNS", "160")
    page = run("restatements", "-C", folder).out
    assert "50.0 %" in page
    assert "settings: conversion.grace_days 30 -> 1" in page
    columns = json.loads(run("metrics", "trial_conversion", "-f", "json", "-C", folder).out)[0]
    assert "restated" not in columns, "the columns of files are a contract"

    said = content(folder / "data")
    made = make(Workspace.open(folder), tmp_path / "target")
    restore(made.folder, tmp_path / "again")
    assert content(tmp_path / "again" / "data") == said
    run("refresh", "-C", tmp_path / "again")
    assert content(tmp_path / "again" / "data") == said
    newest = (tmp_path / "again" / "data" / "published" / "CURRENT").read_text()
    assert newest == "000006.duckdb\n", "generations go on counting"


def _refresh_at(folder: Path, moment: str) -> None:
    with patch("trialwise.clock.utc_now", lambda: datetime.fromisoformat(moment)):
        pipeline.refresh(Workspace.open(folder))


def _lists(folder: Path, day: str) -> list[tuple[Any, ...]]:
    frame = past.lists(past.history_of(Workspace.open(folder)), day=date.fromisoformat(day), name="running")
    first = frame["first_listed_at"].is_null().to_list()
    assert first == frame["is_backfilled"].to_list(), "nobody saw the lists of a day that was filled in"
    return list(frame.select("position", "account_id", "is_backfilled", "generation").iter_rows())


def test_days_nobody_refreshed_on_are_filled_in_from_what_was_known_then(tmp_path: Path) -> None:
    """One refresh on 10 March, the next on the 14th. A trial of the 12th was told on the 12th, one of the 11th not
    before the 13th.
    """
    folder = tmp_path / "acme"
    (folder / "sql" / "lists").mkdir(parents=True)
    (folder / "sql" / "lists" / "running.sql").write_text(RUNNING, encoding="utf-8")
    (folder / "trialwise.toml").write_text("[trials]\nlength_days = 14\n", encoding="utf-8")

    def started(account: str, at: str, known: str) -> dict[str, Any]:
        return {"type": "track", "event": "Trial Started", "messageId": f"start-{account}", "userId": f"u-{account}",
                "context": {"groupId": account}, "timestamp": at, "receivedAt": known}  # fmt: skip

    first = "2026-03-09T10:00:00Z"
    _take(folder, [started("first", first, first)], "events")
    _refresh_at(folder, "2026-03-10 12:00:00")
    twelfth = "2026-03-12T10:00:00Z"
    _take(
        folder,
        [started("second", twelfth, twelfth), started("told-late", "2026-03-11T09:00:00Z", "2026-03-13T09:00:00Z")],
        "events",
    )
    build = pipeline._build_moment
    built: list[datetime] = []

    def stopped(workspace: Workspace, store: Engine, clock: Any, *rest: Any) -> Any:
        if clock.as_of == datetime(2026, 3, 13) and datetime(2026, 3, 13) not in built:
            built.append(clock.as_of)
            raise KeyboardInterrupt
        built.append(clock.as_of)
        return build(workspace, store, clock, *rest)

    with patch.object(pipeline, "_build_moment", stopped):
        with pytest.raises(KeyboardInterrupt):
            _refresh_at(folder, "2026-03-14 09:00:00")
        assert _lists(folder, "2026-03-11") == [(1, "first", True, None)]
        _refresh_at(folder, "2026-03-14 09:00:01")
        _refresh_at(folder, "2026-03-14 09:00:02")
    assert built == [datetime(2026, 3, day) for day in (12, 13, 13, 14)], "in order, each once, and on after a stop"
    assert _lists(folder, "2026-03-10") == [(1, "first", False, 1)]
    assert _lists(folder, "2026-03-11") == [(1, "first", True, None)]
    assert _lists(folder, "2026-03-12") == [(1, "first", True, None), (2, "second", True, None)]
    assert _lists(folder, "2026-03-13") == [
        (1, "first", True, None), (2, "told-late", True, None), (3, "second", True, None),
    ]  # fmt: skip
    assert _lists(folder, "2026-03-14") == [
        (1, "first", False, 2), (2, "told-late", False, 2), (3, "second", False, 2),
    ]  # fmt: skip
    found = past.lists(past.history_of(Workspace.open(folder)), day=date(2026, 3, 14), name="running")
    shown = dict(zip(found["account_id"], found["first_listed_at"], strict=True))
    assert shown["first"] < shown["second"] == shown["told-late"], "first shown on the 10th, the others on the 14th"
    shutil.rmtree(folder / "data" / "published")
    _refresh_at(folder, "2026-03-15 09:00:00")
    again = past.lists(past.history_of(Workspace.open(folder)), day=date(2026, 3, 15), name="running")
    assert dict(zip(again["account_id"], again["first_listed_at"], strict=True)) == shown


def test_names_of_which_nothing_is_recorded_yet_are_known(tmp_path: Path) -> None:
    """A workspace of today has no week that is over, and nobody on its lists."""
    (tmp_path / "trialwise.toml").write_text("", encoding="utf-8")
    asked = ("restatements", "--metric", "trial_conversion"), ("history", "lists", "hot_trials")
    for words in asked:
        assert "Nothing is published: run 'trialwise refresh'." in run(*words, "-C", tmp_path, code=1).err
    run("refresh", "-C", tmp_path)
    found, shown = (run(*words, "-C", tmp_path) for words in asked)
    assert "no number on record was restated" in found.err
    assert all("generation 1" in one.err for one in (found, shown)), "what moment it is of is said"
    assert "nobody was on hot_trials" in shown.err
    wrong = run("history", "lists", "hot_trails", "-C", tmp_path, code=1).err
    assert "did you mean 'hot_trials'?" in wrong
    assert "There are: cancelled_before_payment, card_no_usage, hot_trials, " in wrong


def _of_january(folder: Path) -> set[tuple[float, float, str]]:
    found = _restated(folder, "--metric", "new_trials")
    return {
        (row["old"], row["new"], row["why"])
        for row in found
        if (row["by"], row["period_start"]) == ("month", "2026-01-01")
    }


def test_a_metric_of_ones_own_is_restated_though_nothing_else_changed(tmp_path: Path) -> None:
    """Two trials begun in January; the own metric counts each twice, and is taken away again."""
    (tmp_path / "trialwise.toml").write_text(CONFIG.format(grace_days=30), encoding="utf-8")
    sim = StripeSim()
    for name in ("one", "two"):
        sim.subscribe(sim.customer(START, name), START, trial_end=START + 14 * DAY)
    _take(tmp_path, sim.ordered_events(), "stripe")
    run("refresh", "-C", tmp_path)
    own = tmp_path / "sql" / "metrics" / "new_trials.sql"
    own.parent.mkdir(parents=True)
    shipped = (packaged_sql() / "metrics" / "new_trials.sql").read_text(encoding="utf-8")
    own.write_text(shipped.replace("CAST(r.started AS ", "CAST(2 * r.started AS "), encoding="utf-8")
    run("refresh", "-C", tmp_path)
    assert _of_january(tmp_path) == {(2, 4, "models that changed: metrics.new_trials")}
    own.unlink()
    run("refresh", "-C", tmp_path)
    assert _of_january(tmp_path) == {
        (before, now, "models that changed: metrics.new_trials") for before, now in ((2, 4), (4, 2))
    }
    number = (tmp_path / "data" / "published" / "CURRENT").read_text(encoding="ascii")
    run("refresh", "-C", tmp_path)
    assert (tmp_path / "data" / "published" / "CURRENT").read_text(encoding="ascii") == number
