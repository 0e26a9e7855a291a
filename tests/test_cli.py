"""Commands as a user types them, on the small demo company."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import typer

import trialwise
from tests.command import run, write_lines
from tests.oracle.stripe_sim import DAY, StripeSim, seconds
from tests.rights import no_access
from trialwise import cli, standstill
from trialwise.delivery.metrics import METRIC_COLUMNS
from trialwise.delivery.trials import TRIAL_COLUMNS
from trialwise.reference import cli_markdown


def test_help_needs_less_than_a_third_of_a_cpu_second() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run([sys.executable, "-m", "trialwise", "--help"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert "metrics" in shown.stdout
    heavy = "('duckdb', 'polars', 'stripe', 'sqlglot', 'pydantic')"
    loaded = f"import sys; import trialwise.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert (
        spent < 3.0
    )  # the budget is 0.3 s; a loaded machine gets ten times that, the imports above are the real guard


def test_every_command_has_help_with_an_example() -> None:
    for command in (
        "init", "demo", "import events", "import stripe", "refresh", "trials", "segments", "segments preview",
        "segments columns", "leads",
        "metrics", "account", "explain", "quarantine list", "quarantine show", "quarantine retry", "lint", "docs",
        "doctor", "sql", "keys create", "keys list", "keys revoke",
    ):  # fmt: skip
        shown = run(*command.split(), "--help")
        assert f"trialwise {command}" in shown.out, command


def test_help_shows_every_section_of_the_configuration_it_names() -> None:
    found: dict[str, set[str]] = {}

    def visit(node: Any, *path: str) -> None:
        texts = [node.help, *(getattr(item, "help", None) for item in node.params)]
        named = {word for text in texts for word in re.findall(r"\[[a-z][a-z_.]*\]", text or "")}
        if named:
            found[" ".join(path)] = named
        for name, child in getattr(node, "commands", {}).items():
            visit(child, *path, name)

    visit(typer.main.get_command(cli.app))
    assert found.keys() >= {"serve", "compact"}
    page = cli_markdown(typer.main.get_command(cli.app))
    for command, named in found.items():
        shown = run(*command.split(), "--help").out
        assert {word for word in named if word not in shown} == set(), command
        section = page.partition(f"## trialwise {command}\n")[2].partition("\n## ")[0]
        assert {word for word in named if word not in section or "\\" + word in section} == set(), command


def test_version_and_wrong_usage() -> None:
    assert run("--version").out == f"trialwise {trialwise.__version__}\n"
    run("refresh", "--nonsense", code=2)
    wrong = run("trials", "--format", "bogus", code=2).err
    assert "'bogus' is not one of 'table'" in wrong
    assert "Value error" not in wrong
    assert run("trials", "-C", "/nonexistent", code=1).err.startswith("trialwise: no folder /nonexistent")


def test_trials_have_the_columns_of_the_contract_in_every_format(company: Path, tmp_path: Path) -> None:
    rows = run("trials", "--all", "-f", "json", "-C", company).rows()
    assert list(rows[0]) == list(TRIAL_COLUMNS)
    csv_file, parquet_file = tmp_path / "t.csv", tmp_path / "t.parquet"
    run("trials", "--all", "-f", "csv", "-o", csv_file, "-C", company)
    run("trials", "--all", "-f", "parquet", "-o", parquet_file, "-C", company)
    assert pl.read_csv(csv_file, infer_schema=False)["trial_id"].to_list() == [row["trial_id"] for row in rows]
    frame = pl.read_parquet(parquet_file)
    assert frame.columns == list(TRIAL_COLUMNS)
    assert frame.schema["segments"] == pl.List(pl.String)
    assert frame["segments"].to_list() == [row["segments"] for row in rows]


def test_stdout_carries_data_alone_and_messages_go_to_stderr(company: Path) -> None:
    ran = run("trials", "-f", "csv", "-C", company)
    assert ran.out.startswith("trial_id,account_id,")
    assert ran.err.startswith("as of 2026-03-31 09:00Z")


def test_a_segment_of_trials_is_its_live_members(company: Path) -> None:
    sizes = {row["segment"]: row["live_trials"] for row in run("segments", "-f", "json", "-C", company).rows()}
    chosen = max(sizes, key=lambda key: sizes[key])
    members = run("trials", "--segment", chosen, "-f", "json", "-C", company).rows()
    assert len(members) == sizes[chosen] > 0
    assert all(chosen in row["segments"] for row in members)
    assert "did you mean" in run("trials", "--segment", chosen + "x", "-C", company, code=1).err


def test_the_catalogue_says_what_conditions_and_rules_may_read(company: Path) -> None:
    rows = {row["column"]: row for row in run("segments", "columns", "-f", "json", "-C", company).rows()}
    assert rows["active_days_7d"]["type"] == "INTEGER"
    assert rows["active_days_7d"]["for_scoring"] is True
    assert rows["attr_employees"]["type"] == "DOUBLE"
    assert not any(
        rows[name]["for_scoring"] for name in ("days_since_conversion", "rule_score_hundredths", "fit_grade")
    )
    assert all(row["description"] for row in rows.values())


def test_preview_counts_what_a_condition_holds_for(company: Path) -> None:
    ran = run("segments", "preview", "active_days_7d >= 2 AND NOT card_on_file", "-f", "json", "-C", company)
    live = run("trials", "-f", "json", "-C", company).rows()
    wanted = {row["trial_id"] for row in live if (row["active_days_7d"] or 0) >= 2 and row["card_status"] == "none"}
    assert {row["trial_id"] for row in ran.rows()} == wanted
    assert f"{len(wanted)} of {len(live)} trials" in ran.err


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("actve_days_7d >= 2", "did you mean 'active_days_7d'"),
        ("usage_band > 3", "usage_band"),
        ("active_days_7d + 1", "expected a yes or no"),
        ("trial_id IN (SELECT trial_id FROM marts.trials)", "SELECT"),
        ("read_text('/etc/passwd') = 'x'", "read_text"),
        ("active_days_7d >= 2; DROP TABLE x", "one"),
        ("", ""),
    ],
)
def test_a_condition_that_cannot_be_is_refused_with_its_place(company: Path, condition: str, message: str) -> None:
    assert message in run("segments", "preview", condition, "-C", company, code=1).err


def test_metrics_have_the_columns_of_the_contract(company: Path) -> None:
    for name in (
        "trial_conversion",
        "new_trials",
        "active_trials",
        "trial_outcomes",
        "time_to_convert",
        "pql_conversion",
        "stickiness",
    ):
        rows = run("metrics", name, "-f", "json", "-C", company).rows()
        assert list(rows[0]) == list(METRIC_COLUMNS), name
        assert {row["metric"] for row in rows} == {name}


def test_outcomes_add_up_to_new_trials_in_every_cohort(company: Path) -> None:
    for by in ("week", "month", "all"):
        outcomes = run(
            "metrics", "trial_outcomes", "--by", by, "--population", "all", "-f", "json", "-C", company
        ).rows()
        started = run("metrics", "new_trials", "--by", by, "--population", "all", "-f", "json", "-C", company).rows()
        sums: dict[str, int] = {}
        for row in outcomes:
            sums[row["period_start"]] = sums.get(row["period_start"], 0) + row["numerator"]
        assert sums == {row["period_start"]: row["numerator"] for row in started if row["numerator"]}


def test_metrics_without_a_name_lists_them(company: Path) -> None:
    rows = run("metrics", "-f", "json", "-C", company).rows()
    assert {"trial_conversion", "stickiness"} <= {row["metric"] for row in rows}
    run("metrics", "trial_conversion", "--by", "fortnight", "-C", company, code=2)


def test_a_plot_stands_below_the_cohorts_on_a_terminal_alone(company: Path) -> None:
    arguments = ("metrics", "trial_conversion", "--definition", "start_cohort", "-C", company)
    assert "percent converted" in run(*arguments).out
    assert "percent converted" not in run(*arguments, "--no-plot").out
    assert "percent converted" not in run(*arguments, "-f", "csv").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metrics", "trial_conversoin"), "did you mean 'trial_conversion'"),
        (("metrics", "trial_conversion", "--definition", "start_cohrt"), "did you mean 'start_cohort'"),
        (("metrics", "trial_conversion", "--within-days", "soon"), "'soon'"),
        (("metrics", "trial_conversion", "--since", "yesterday"), "'yesterday' is no date"),
        (("refresh", "--as-of", "31.1.2026"), "neither a date nor an instant"),
        (("refresh", "--as-of", "2026-01-01", "--into", "/nonexistent/x.duckdb"), "no folder /nonexistent"),
        (("metrics", "trial_conversion", "--as-of", "31.1.2026"), "neither a date nor an instant"),
        (("leads", "hot_trails"), "did you mean 'hot_trials'"),
        (("account", "nobody"), "no account 'nobody'"),
        (("explain", "nobody"), "no trial or account 'nobody'"),
        (("sql", "DROP TABLE marts.trials"), "expected one SELECT"),
        (("sql", "SELECT * FROM read_csv('/etc/passwd')"), "disabled"),
        (("quarantine", "show", "zzz"), "zzz"),
        (("trials", "-o", "/nonexistent/x.csv", "-f", "csv"), "cannot be written"),
        (("refresh", "--as-of", "2026-01-01"), "--into"),
    ],
)
def test_errors_name_the_thing_and_the_next_command(company: Path, arguments: tuple[str, ...], message: str) -> None:
    ran = run(*arguments, "-C", company, code=1)
    assert message in ran.err
    assert ran.out == ""


def test_leads_name_contact_reasons_and_link(company: Path) -> None:
    lists = {row["list"]: row["trials"] for row in run("leads", "-f", "json", "-C", company).rows()}
    assert set(lists) == {
        "hot_trials", "card_no_usage", "usage_no_card", "went_quiet", "cancelled_before_payment", "new_customers"
    }  # fmt: skip
    rows = run("leads", "hot_trials", "-f", "json", "-C", company).rows()
    assert len(rows) == lists["hot_trials"] > 0
    first = rows[0]
    assert first["contact_email"]
    assert first["reasons"][0]["text"]
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    new = run("leads", "new_customers", "-f", "json", "-C", company).rows()
    assert any(str(row["stripe_url"]).startswith("https://dashboard.stripe.com/") for row in new)


def test_explanations_add_up_to_the_score_for_every_trial(company: Path) -> None:
    results = trialwise.open(company)
    trials = results.trials(every=True)
    scored = [row for row in trials.iter_rows(named=True) if row["score"] is not None]
    assert len(scored) > 150
    for row in scored:
        parts = results.explain(row["trial_id"]).parts
        assert round(sum(round(100 * points) for points in parts["points"]) / 100, 2) == row["score"], row["trial_id"]
        assert all(evidence for evidence in parts.filter(pl.col("kind") == "rule")["evidence_id"])


def test_explain_and_account_read_like_pages(company: Path) -> None:
    best = run("leads", "hot_trials", "-f", "json", "-C", company).rows()[0]
    page = run("explain", best["account_id"], "--since", "2026-03-30", "-C", company).out
    assert f"score {best['score']:.2f}" in page
    assert "since 2026-03-30 the score went from" in page
    page = run("account", best["account_id"], "-C", company).out
    assert best["account_id"] in page
    for form in ("json", "csv"):
        assert best["account_id"] in run("account", best["account_id"], "-f", form, "-C", company).out
    timeline = run("account", best["account_id"], "--part", "timeline", "-f", "json", "-C", company).rows()
    assert list(timeline[0]) == ["at", "kind", "text", "source_id"]
    assert run("explain", best["trial_id"], "-f", "csv", "-C", company).out.startswith("kind,part,")
    told = run("account", best["account_id"], "--part", "timeline", "-f", "csv", "-C", company).out
    assert told.count("\n") == len(timeline) + 1


def test_sql_answers_from_the_published_tables(company: Path) -> None:
    ran = run("sql", "SELECT count(*) AS n FROM marts.trials", "-f", "json", "-C", company)
    assert ran.rows()[0]["n"] == len(run("trials", "--all", "-f", "json", "-C", company).rows())


def test_the_results_of_another_moment_are_computed_once_and_leave_the_present_ones(
    company: Path, tmp_path: Path
) -> None:
    before = run("metrics", "new_trials", "--by", "all", "-f", "json", "-C", company).rows()
    then = run("metrics", "new_trials", "--by", "all", "-f", "json", "--as-of", "2025-09-30", "-C", company)
    kept = sorted((company / "data" / "moments").glob("*.duckdb"))
    again = run("metrics", "new_trials", "--by", "all", "-f", "json", "--as-of", "2025-09-30", "-C", company)
    assert then.out == again.out
    assert sorted((company / "data" / "moments").glob("*.duckdb")) == kept
    assert 0 < then.rows()[0]["numerator"] < before[0]["numerator"]
    assert run("metrics", "new_trials", "--by", "all", "-f", "json", "-C", company).rows() == before
    into = tmp_path / "old.duckdb"
    run("refresh", "--as-of", "2025-09-30", "--known-at", "2025-10-05", "--into", into, "-C", company)
    from trialwise.delivery.generation import open_generation

    assert str(open_generation(into).moment.known_at) == "2025-10-06 00:00:00"
    run("refresh", "--as-of", "2025-09-30", "--known-at", "2025-10-06", "--into", into, "-C", company)  # once more
    assert str(open_generation(into).moment.known_at) == "2025-10-07 00:00:00"


def test_results_of_a_past_moment_replace_nothing_else(company: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.duckdb"
    with duckdb.connect(str(other)) as database:
        database.execute("CREATE TABLE notes AS SELECT 1 AS n")
    segment = next((company / "data" / "landing").iterdir())
    there = "holds no results of trialwise"
    for into, message in (
        (company / "trialwise.toml", there),
        (other, there),
        (segment, "the workspace's own"),
        (company / "data" / "published" / "000001.duckdb", "the workspace's own"),
    ):
        before = into.read_bytes()
        assert message in run("refresh", "--as-of", "2025-09-30", "--into", into, "-C", company, code=1).err
        assert into.read_bytes() == before


def test_imports_say_what_became_of_every_record(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", tmp_path)
    ran = run("import", "events", company / "segment.ndjson", "-C", tmp_path)
    numbers = _balance(ran.err)
    assert numbers["received"] == sum(numbers[name] for name in ("loaded", "duplicate", "quarantined", "pending"))
    assert numbers["quarantined"] > 0
    assert numbers["duplicate"] > 0
    again = run("import", "events", company / "segment.ndjson", "-C", tmp_path)
    assert "imported before" in again.err
    rows = run("quarantine", "list", "-f", "json", "-C", tmp_path).rows()
    assert len(rows) == numbers["quarantined"]
    monkeypatch.setenv("COLUMNS", "80")
    page = run("quarantine", "list", "-C", tmp_path).out.splitlines()
    assert page[0].split()[:2] == ["quarantine_id", "reason"], "a narrow terminal leaves out where, not why"
    assert [line.split()[1] for line in page[2 : 2 + len(rows)]] == [row["reason"] for row in rows]
    one = next(row for row in rows if row["reason"] == "bad_json")
    shown = run("quarantine", "show", one["quarantine_id"][:8], "-C", tmp_path)
    lines = (company / "segment.ndjson").read_text(encoding="utf-8").splitlines()
    assert shown.out == lines[one["line"] - 1] + "\n"
    mended = write_lines(
        tmp_path / "mended.json",
        [
            {
                "type": "track",
                "event": "Report Built",
                "userId": "u9",
                "messageId": "m9",
                "timestamp": "2026-01-01T00:00:00Z",
            }
        ],
    )
    retried = run("quarantine", "retry", one["quarantine_id"], "--mended", mended, "-C", tmp_path)
    assert _balance(retried.err) == {"received": 1, "loaded": 1, "duplicate": 0, "quarantined": 0, "pending": 0}
    assert len(run("quarantine", "list", "-f", "json", "-C", tmp_path).rows()) == numbers["quarantined"] - 1


def test_an_import_tells_its_records_from_those_that_arrived_meanwhile(tmp_path: Path) -> None:
    from trialwise.clock import utc_now
    from trialwise.landing.folder import Landing
    from trialwise.landing.journal import Arrival, Channel, Journal
    from trialwise.sources.piece import Piece
    from trialwise.workspace import Workspace

    run("init", tmp_path)
    landing = Landing(Workspace.open(tmp_path).landing)
    with Journal(landing, Channel("events", "flat", "collector"), "test") as journal:
        pieces = [Piece(1, None, b'{"event":"A","user_id":"u"}'), Piece(2, None, b'{"event":"A"}')]
        journal.append([Arrival(utc_now(), pieces)])
    own = write_lines(tmp_path / "own.ndjson", [{"event": "B", "user_id": "u"}])
    said = run("import", "events", own, "-C", tmp_path).err
    assert "own.ndjson: received 1 records (auto)" in said
    assert "received 3 with what arrived meanwhile = loaded 2 + duplicate 0 + quarantined 1 + pending 0" in said
    own = write_lines(tmp_path / "more.ndjson", [{"event": "C", "user_id": "u"}])
    assert "received 1 = loaded 1" in run("import", "events", own, "-C", tmp_path).err
    [refused] = run("quarantine", "list", "-f", "json", "-C", tmp_path).rows()
    shown = run("quarantine", "show", refused["quarantine_id"], "-C", tmp_path).err
    assert "collector line 2\n" in shown


def test_a_dry_run_keeps_nothing(company: Path, tmp_path: Path) -> None:
    run("init", tmp_path)
    ran = run("import", "stripe", "--from", company / "stripe.ndjson", "--dry-run", "-C", tmp_path)
    assert "would be loaded" in ran.err
    assert not (tmp_path / "data").exists()


def test_files_of_ones_own_from_csv_to_a_list(tmp_path: Path) -> None:
    rows = ["when,what,who,company"]
    for day in range(1, 9):
        rows += [f"2026-03-{day:02d}T10:0{n}:00Z,report_made,u{n},acme" for n in range(4)]
    rows += ["2026-03-01T09:00:00Z,trial_started,u1,acme", "2026-03-02T09:00:00Z,data_source_connected,u1,acme"]
    file = tmp_path / "usage.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    mapping = ["--map", "timestamp=when", "--map", "event=what", "--map", "user_id=who", "--map", "account_id=company"]
    folder = tmp_path / "mine"
    proposed = run("init", folder, "--from", file, *mapping)
    assert "trial_started" in proposed.err
    assert 'value = ["report_made"' in (folder / "trialwise.toml").read_text(encoding="utf-8")
    run("import", "events", file, *mapping, "-C", folder)
    run("refresh", "-C", folder)
    moment = ("--as-of", "2026-03-08")
    found = run("trials", *moment, "-f", "json", "-C", folder).rows()
    assert [(row["account_id"], row["trial_day"], row["active_days_7d"]) for row in found] == [("acme", 8, 7)]
    assert found[0]["source"] == "event"
    page = run("trials", "--segment", "data_source_connected", *moment, "-C", folder).out
    assert "acme" in page
    assert "7 active days of the last 7" in page


def test_columns_with_other_names_are_proposed_or_asked_for(tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.csv"
    renamed.write_text("company,who,what,when\nacme,u1,report_made,2026-03-01T10:00:00Z\n", encoding="utf-8")
    options = "--map event=what --map account_id=company --map user_id=who --map timestamp=when"
    ran = run("init", tmp_path / "mine", "--from", renamed)
    assert f"columns taken by their names: {options}" in ran.err
    assert "1 events under 1 names" in ran.err
    assert f"import events FILE {options} -C" in ran.err
    advice = f"renamed.csv: no column 'event'; columns: company, who, what, when; try {options}"
    dry = run("import", "events", renamed, "--dry-run", "-C", tmp_path / "mine").err
    assert advice in dry
    assert "not looked for: duplicates of what is loaded already" in dry
    ran = run("import", "events", renamed, "-C", tmp_path / "mine")
    assert advice in ran.err
    assert "next: trialwise refresh" not in ran.err
    assert _balance(run("import", "events", renamed, *options.split(), "-C", tmp_path / "mine").err)["loaded"] == 1


def test_init_from_a_file_without_events_stops(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    ran = run("init", tmp_path / "mine", "--from", other, code=1)
    assert "no event could be read of 1 records (no_event 1)" in ran.err
    assert "columns: a, b; try --map event=COLUMN" in ran.err
    named = tmp_path / "named.csv"
    named.write_text("event,account_id,timestamp\nopened,,2026-03-01\n", encoding="utf-8")
    assert "--dry-run" in run("init", tmp_path / "mine", "--from", named, code=1).err
    assert not (tmp_path / "mine").exists()


def test_stripe_objects_among_events_are_sent_to_their_command(tmp_path: Path) -> None:
    record = {"id": "sub_1", "object": "subscription", "livemode": True}
    file = write_lines(tmp_path / "subs.ndjson", [record])
    said = f"trialwise import stripe --from {file}"
    assert said in run("init", tmp_path / "mine", "--from", file, code=1).err
    run("init", tmp_path / "mine")
    assert said in run("import", "events", file, "-C", tmp_path / "mine", code=1).err
    assert not (tmp_path / "mine" / "data").exists()


def test_a_damaged_store_or_generation_names_the_next_command(tmp_path: Path) -> None:
    run("init", tmp_path)
    file = write_lines(
        tmp_path / "one.ndjson", [{"event": "A", "account_id": "acme", "user_id": "u", "timestamp": "2026-03-01"}]
    )
    run("import", "events", file, "-C", tmp_path)
    run("refresh", "-C", tmp_path)
    data = tmp_path / "data"
    published = next((data / "published").glob("*.duckdb"))
    published.write_bytes(b"torn" * 4096)
    assert "Run 'trialwise refresh'" in run("trials", "-C", tmp_path, code=1).err
    (data / "store.duckdb").write_bytes(b"torn" * 4096)
    said = run("refresh", "-C", tmp_path).err
    assert "loaded 1 " in said
    assert "it was set aside as store.duckdb.damaged-1 and filled again from landing; nothing was lost" in said
    assert (data / "store.duckdb.damaged-1").read_bytes() == b"torn" * 4096
    run("trials", "-C", tmp_path)
    published = max((data / "published").glob("*.duckdb"))
    whole = bytearray(published.read_bytes())
    for place in range(12_288 + 5_000, len(whole), 262_144):  # a byte of every block, so that some answer meets one
        whole[place] ^= 1
    published.write_bytes(whole)
    said = run("trials", "--all", "-C", tmp_path, code=1).err
    assert "Corrupt database file" in said
    assert "Run 'trialwise refresh': it publishes a new one." in said
    (data / "published" / "CURRENT").write_text("torn", encoding="utf-8")
    assert "Run 'trialwise refresh'" in run("trials", "-C", tmp_path, code=1).err
    (data / "store.duckdb").write_bytes(b"torn again")
    found = run("doctor", "-C", tmp_path)  # it mends what it looks at
    assert "store.duckdb.damaged-2 and filled again" in found.err
    assert "warning store: " in found.out
    assert "Delete store.duckdb.damaged-1, store.duckdb.damaged-2" in found.out
    assert run("trials", "-C", tmp_path).code == 0


def test_of_a_history_that_was_damaged_it_is_said_what_it_no_longer_tells(tmp_path: Path) -> None:
    run("init", tmp_path)
    run("refresh", "-C", tmp_path)
    lost = "the history was damaged and begun anew: what was published before that is on no record"
    assert lost not in run("restatements", "-C", tmp_path).err
    (tmp_path / "data" / "history.sqlite").write_bytes(b"no database" * 1000)
    for words in (("restatements", "-f", "json"), ("history", "lists"), ("refresh",), ("refresh", "--full")):
        assert lost in run(*words, "-C", tmp_path).err
    assert lost in run("history", "scores", "nobody", "-C", tmp_path, code=1).err
    (tmp_path / "data" / "history.sqlite.damaged-1").unlink()
    assert lost not in run("refresh", "-C", tmp_path).err


def test_a_workspace_of_somebody_else_is_named(tmp_path: Path) -> None:
    run("init", tmp_path)
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    with no_access(data):
        for words in (("trials",), ("runs",), ("restatements",), ("refresh",), ("doctor",)):
            said = run(*words, "-C", tmp_path, code=1).err
            assert re.fullmatch(
                rf"trialwise: no permission for {re.escape(str(data))}/\S+\nRun it as the user .*\n", said
            )


def test_a_damaged_result_of_a_past_moment_is_computed_again(tmp_path: Path) -> None:
    run("init", tmp_path)
    run("refresh", "-C", tmp_path)
    run("trials", "--as-of", "2026-01-31", "-C", tmp_path)
    [moment] = (tmp_path / "data" / "moments").glob("*.duckdb")
    moment.write_bytes(b"torn")
    assert run("trials", "--as-of", "2026-01-31", "-C", tmp_path).code == 0
    assert moment.stat().st_size > 4096


def test_results_of_a_past_moment_follow_the_customer_map_and_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial of a customer whom the map gives to alpha, then to beta."""
    (tmp_path / "trialwise.toml").write_text('[identity]\ncustomer_map = "customers.csv"\n', encoding="utf-8")
    begin = seconds("2026-03-01T10:00:00")
    sim = StripeSim()
    customer = sim.customer(begin, None)
    sim.subscribe(customer, begin, trial_end=begin + 14 * DAY)
    mapped = tmp_path / "customers.csv"
    mapped.write_text(f"customer_id,account_id\n{customer},alpha\n", encoding="utf-8")
    run("import", "stripe", "--from", write_lines(tmp_path / "stripe.ndjson", sim.ordered_events()), "-C", tmp_path)

    def accounts() -> list[str]:
        rows = run("trials", "--all", "--as-of", "2026-03-05", "-f", "json", "-C", tmp_path).rows()
        return [row["account_id"] for row in rows]

    for account in ("alpha", "beta"):
        mapped.write_text(f"customer_id,account_id\n{customer},{account}\n", encoding="utf-8")
        run("refresh", "-C", tmp_path)
        assert accounts() == [account]
    moments = tmp_path / "data" / "moments"
    assert accounts() == ["beta"]
    assert len(list(moments.glob("*.duckdb"))) == 2, "one for each map"
    monkeypatch.setattr(standstill, "_PROGRAM", ("another version",))
    assert accounts() == ["beta"]
    assert len(list(moments.glob("*.duckdb"))) == 3, "and one for another program"


def test_doctor_says_what_makes_numbers_wrong(company: Path) -> None:
    found = run("doctor", "-C", company).out
    assert "unresolved customers" in found
    assert "quarantine" in found
    assert "disk" in found
    rows = run("doctor", "-f", "json", "-C", company).rows()
    assert list(rows[0]) == ["level", "topic", "found", "advice"]


def test_lint_and_docs(company: Path, tmp_path: Path) -> None:
    assert run("lint", "-C", company).out == ""
    run("docs", "-o", tmp_path / "docs", "-C", company)
    assert "intermediate.trial_days" in (tmp_path / "docs" / "models.md").read_text(encoding="utf-8")
    run("docs", "--check", "-o", tmp_path / "docs", "-C", company)
    (tmp_path / "docs" / "cli.md").write_text("old", encoding="utf-8")
    assert "cli.md" in run("docs", "--check", "-o", tmp_path / "docs", "-C", company, code=1).err


def test_a_demo_goes_nowhere_near_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    assert "holds something else" in run("demo", tmp_path, code=1).err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def _balance(messages: str) -> dict[str, int]:
    line = next(line for line in messages.splitlines() if " = " in line)
    words = line.replace(",", "").replace("=", "+").split("+")
    return {word.split()[0]: int(word.split()[1]) for word in words}


def test_the_python_api_reads_the_same_numbers(company: Path) -> None:
    results = trialwise.open(company)
    shown = run("trials", "-f", "json", "-C", company).rows()
    assert results.trials()["trial_id"].to_list() == [row["trial_id"] for row in shown]
    rate = results.metrics("trial_conversion", definition="start_cohort", by="all")
    told = run(
        "metrics", "trial_conversion", "--definition", "start_cohort", "--by", "all", "-f", "json", "-C", company
    )
    assert rate["value"].to_list() == [row["value"] for row in told.rows()]
    assert json.dumps(results.sql("SELECT 1 AS one").to_dicts()) == '[{"one": 1}]'
