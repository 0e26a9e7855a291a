"""init and import of other products' exports, as typed."""

from __future__ import annotations

from pathlib import Path

from tests.command import run, write_lines

EVENTS = [
    {"event_type": "Report Built", "user_id": f"u{n % 3}", "event_time": f"2026-03-01 10:00:{n:02}", "uuid": f"e{n}",
     "event_properties": {}, "groups": {"company": f"c{n % 2}", "team": "t"}}
    for n in range(20)
]  # fmt: skip


def test_init_proposes_from_an_export_and_says_how_to_import_it(tmp_path: Path) -> None:
    file, folder = write_lines(tmp_path / "export.ndjson", EVENTS), tmp_path / "acme"
    refused = run("init", folder, "--from", file, code=1)
    assert "looks like Amplitude's events" in refused.err
    assert "--format amplitude" in refused.err
    options = ("--format", "amplitude", "--map", "account_id=groups.company")
    ran = run("init", folder, "--from", file, *options)
    assert "20 events under 1 names" in ran.err
    assert f"trialwise import events FILE {' '.join(options)} -C {folder}" in ran.err
    assert '"Report Built"' in (folder / "trialwise.toml").read_text(encoding="utf-8")
    done = run("import", "events", file, *options, "-C", folder)
    assert "received 20 = loaded 20 + duplicate 0 + quarantined 0 + pending 0" in done.err
    again = run("import", "events", write_lines(tmp_path / "part.ndjson", EVENTS[:5]), *options, "-C", folder)
    assert "received 5 = loaded 0 + duplicate 5" in again.err


def test_a_dry_run_counts_without_keeping(tmp_path: Path) -> None:
    run("init", tmp_path / "acme")
    file = write_lines(tmp_path / "export.ndjson", [*EVENTS, {"code": 200, "events_ingested": 50}])
    ran = run("import", "events", file, "--format", "amplitude", "--dry-run", "-C", tmp_path / "acme")
    assert "received 21 = would be loaded 20 + duplicate 0 + quarantined 1" in ran.err
    assert "quarantined 1: unknown_shape" in ran.err
