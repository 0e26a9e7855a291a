"""The parts of a server by themselves: where it listens, what it measures, when it is ready."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families
from tests.command import run
from tests.serving import samples

from trialwise.errors import ConfigError, DiskFull, StoreError
from trialwise.freshness import Freshness
from trialwise.keys import Keys
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.manifest import Compacted, LoadRange
from trialwise.landing.report import LoadReport
from trialwise.server import binding, metrics, state
from trialwise.server.health import Readiness
from trialwise.server.measures import Measures, timestamp
from trialwise.server.state import State, Watched

NOON = datetime(2026, 3, 1, 12)
FRESH = Freshness(7, NOON - timedelta(hours=1), NOON - timedelta(minutes=30), NOON, stale=("http crm",))


@pytest.mark.parametrize(
    ("host", "public_url", "exposed"),
    [
        ("127.0.0.1", None, False),
        ("127.9.9.9", None, False),
        ("::1", None, False),
        ("[::1]", None, False),
        ("localhost", None, False),
        ("127.0.0.1", "http://localhost:8484", False),
        ("127.0.0.1", "https://events.example.com", True),
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("192.168.1.5", None, True),
        ("127.0.0.1.evil.example", None, True),
        ("db.internal", None, True),
    ],
)
def test_who_can_reach_it_and_that_they_need_keys(
    tmp_path: Path, host: str, public_url: str | None, exposed: bool
) -> None:
    keys = Keys(tmp_path / "keys.json")
    assert binding.is_exposed(host, public_url) is exposed
    if not exposed:
        binding.check_exposed(host, public_url, keys)
        return
    with pytest.raises(ConfigError, match="there is no key") as told:
        binding.check_exposed(host, public_url, keys)
    assert "trialwise keys create" in str(told.value)
    keys.create("website", ["ingest"], NOON)
    binding.check_exposed(host, public_url, keys)
    keys.revoke("website", NOON)
    with pytest.raises(ConfigError):
        binding.check_exposed(host, public_url, keys)


def test_serve_refuses_the_world_without_a_key(tmp_path: Path) -> None:
    run("init", tmp_path)
    refused = run("serve", "--host", "0.0.0.0", "-C", tmp_path, code=1)
    assert "0.0.0.0 is reached by others, and there is no key" in refused.err
    assert "trialwise keys create NAME --scope ingest" in refused.err
    assert not (tmp_path / "data" / "server.lock").exists()


def test_serve_refuses_secrets_of_webhooks_nobody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", tmp_path)
    monkeypatch.setenv("TRIALWISE_WEBHOOK_SENDGRIDD", "x")
    assert "did you mean 'sendgrid'" in run("serve", "-C", tmp_path, code=1).err


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", r"http://127\.0\.0\.1:\d+"),
        ("localhost", r"http://127\.0\.0\.1:\d+"),
        ("::1", r"http://\[::1\]:\d+"),
    ],
)
def test_a_free_port_is_taken_and_told(host: str, url: str) -> None:
    with binding.bind(host, 0) as listening:
        assert re.fullmatch(url, binding.url_of(listening))


def test_a_port_that_stays_taken_is_told() -> None:
    with binding.bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            binding.bind("127.0.0.1", port, patience=0.15)


def test_a_port_a_predecessor_lets_go_of_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first = binding.bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    monkeypatch.setattr(time, "sleep", lambda _: first.close())
    with binding.bind("127.0.0.1", port, patience=30) as second:
        assert second.getsockname()[1] == port


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
        binding.bind("192.0.2.1", 0)


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the counters' files; prometheus_client is as it was afterwards."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    run_folder = tmp_path / "data" / "run"
    metrics.prepare(run_folder)
    return run_folder


def text(folder: Path, told: State, now: float = 0.0) -> str:
    measures = Measures(folder.parent / "landing", lambda: told, lambda: now)
    body, content_type = metrics.text_of(folder, lambda: told, measures)
    assert content_type.startswith("text/plain; version=0.0.4")
    return body.decode()


def test_counts_of_all_collectors_are_added_and_outlive_them(counting: Path) -> None:
    for slot in ("collector1", "collector2", "collector1"):  # the last one takes the slot of the first
        counts = metrics.Counts(counting, slot)
        counts.count("records", {"route": "/v1/batch", "format": "segment"}, 3)
        counts.count("records", {"route": "/v1/batch", "format": "segment"}, 1)
        counts.count("refused", {"route": "/v1/batch", "code": 'a"b\\c\n'}, 1)
        counts.acknowledged(0.003)
    found = samples(text(counting, State()))
    assert found['trialwise_records_total{format="segment",route="/v1/batch"}'] == 12
    assert found['trialwise_refused_total{code="a"b\\c\n",route="/v1/batch"}'] == 3
    assert found["trialwise_ack_seconds_count"] == 3
    assert found['trialwise_ack_seconds_bucket{le="0.002"}'] == 0
    assert found['trialwise_ack_seconds_bucket{le="0.005"}'] == 3
    metrics.prepare(counting)
    assert "trialwise_records_total" not in text(counting, State())


def test_files_of_counters_have_their_room_from_the_start(counting: Path) -> None:
    metrics.Counts(counting, "collector1")
    for path in counting.glob("*.db"):
        assert path.stat().st_size == metrics.ALLOCATED
        assert path.stat().st_blocks * 512 >= metrics.ALLOCATED
    with (
        patch("trialwise.server.metrics.os.fsync", side_effect=OSError(28, "No space left on device")),
        pytest.raises(StoreError, match="No space left on device"),
    ):
        metrics.Counts(counting, "collector2")


def test_names_follow_prometheus_conventions(counting: Path) -> None:
    told = State(7, NOON, published_at=NOON, loaded_at=NOON, stripe_polled_at=NOON, stripe_reconciled_at=NOON)
    told = replace(told, freshness=FRESH).ran("load", NOON, 0.5, failed=False)
    counts = metrics.Counts(counting, "collector1")
    for name in metrics.COUNTED:
        counts.count(name, {"route": "x"}, 1)
    families = list(text_string_to_metric_families(text(counting, told)))
    names = [family.name for family in families]
    assert len(set(names)) == len(names) > 25
    assert all(family.documentation for family in families)
    for family in families:
        assert re.fullmatch(r"trialwise_[a-z_]+", family.name)
        for sample in family.samples:
            assert sample.value >= 0
            if family.type == "counter":
                assert sample.name == f"{family.name}_total"
    units = {name.rpartition("_")[2] for name in names if name.endswith(("_seconds", "_bytes"))}
    assert units == {"seconds", "bytes"}


def test_how_fresh_results_are_is_measured(counting: Path) -> None:
    found = samples(text(counting, State(7, NOON, freshness=FRESH), timestamp(NOON) + 90))
    assert found["trialwise_generation"] == 7
    assert found["trialwise_as_of_timestamp_seconds"] == timestamp(NOON) - 3600
    assert found["trialwise_known_at_timestamp_seconds"] == timestamp(NOON) - 1800
    assert found["trialwise_refreshed_age_seconds"] == 90
    assert found["trialwise_stale_sources"] == 1
    assert found['trialwise_source_stale{source="http crm"}'] == 1
    nothing = samples(text(counting, State(7, NOON)))
    assert nothing["trialwise_stale_sources"] == 0
    assert not [name for name in nothing if "generation" in name or "as_of" in name or "source_stale" in name]


def test_what_the_owner_did_is_counted(counting: Path) -> None:
    told = State(7, NOON, restarts=2, recoveries=1, unlanded=6)
    told = (
        told.with_load(LoadReport(13, 5, 3, 1, reasons={"bad_json": 1}, forgotten=4))
        .with_load(LoadReport(900, 500, 300, 100, rebuilt="it was damaged", reasons={"bad_json": 100}))
        .ran("load", NOON, 0.5, failed=False)
        .ran("refresh", NOON, 4.0, failed=True)
        .ran("load", NOON, 0.1, failed=False)
    )
    found = samples(text(counting, told, timestamp(NOON) + 90))
    assert found["trialwise_loaded_records_total"] == 5
    assert found["trialwise_duplicate_records_total"] == 3
    assert found['trialwise_quarantined_records_total{reason="bad_json"}'] == 1
    assert found['trialwise_forgotten_records_total{found="load"}'] == 4
    assert found['trialwise_forgotten_records_total{found="stripe api"}'] == 6
    assert found["trialwise_refilled_records_total"] == 900, "what is read again was counted when it came"
    assert found['trialwise_work_runs_total{work="load"}'] == 2
    assert found['trialwise_work_failing{work="load"}'] == 0
    assert found['trialwise_work_failures_total{work="refresh"}'] == 1
    assert found['trialwise_work_failing{work="refresh"}'] == 1
    assert found['trialwise_work_last_seconds{work="refresh"}'] == 4
    assert found['trialwise_work_last_success_timestamp_seconds{work="load"}'] == timestamp(NOON)
    assert 'trialwise_work_last_success_timestamp_seconds{work="refresh"}' not in found
    assert found["trialwise_collector_restarts_total"] == 2
    assert found["trialwise_store_recovered"] == 1
    assert "trialwise_published_age_seconds" not in found, "nothing is published: no age is said"


def test_what_waits_in_landing_is_measured(tmp_path: Path) -> None:
    landing = Landing(tmp_path / "landing")
    now = time.time()
    clock = [now]
    measures = Measures(landing.folder, State, lambda: clock[0])

    def measured() -> dict[str, float]:
        return {gauge.name: gauge.value for gauge in measures.gauges()}

    assert measured()["landing_pending_records"] == measured()["landing_lag_seconds"] == 0
    piece = (1, None, b'{"event": "a"}', None, None, None)
    with Journal(landing, Channel("events", "flat", "collector"), "collector1") as journal:
        journal.append([Arrival(NOON, [piece, piece])])
        clock[0] = now + 60
        found = measured()
        assert found["landing_pending_records"] == 2
        assert 59 < found["landing_lag_seconds"] < 61
        assert found["landing_live_segments"] == 1
        assert found["landing_pending_bytes"] == found["landing_live_bytes"] > 2 * len(piece[2])
        journal.append([Arrival(NOON, [piece])])
        assert measured()["landing_pending_records"] == 3, "counted on from where it was"
    landing.seal(NOON)
    clock[0] = timestamp(NOON) + 5
    found = measured()
    assert found["landing_pending_records"] == 3
    assert found["landing_lag_seconds"] == 5
    assert (found["landing_live_segments"], found["landing_sealed_segments"]) == (0, 1)
    landing.note_load(LoadRange(1, 1, landing.manifest().last_segment, NOON))
    found = measured()
    assert found["landing_pending_records"] == found["landing_pending_bytes"] == found["landing_lag_seconds"] == 0
    assert found["landing_sealed_bytes"] > 0
    landing.path(1).unlink()
    assert measured()["landing_sealed_segments"] == 1, "what the manifest says: no segment is looked at"
    landing.note(Compacted("000001-000001.parquet", (1,), 5, NOON))
    found = measured()
    assert found["landing_sealed_segments"] == found["landing_sealed_bytes"] == 0
    assert found["disk_free_bytes"] > 0


def _done(error: Exception | None = None) -> Future[None]:
    future: Future[None] = Future()
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return future


def test_ready_until_records_cannot_be_kept_and_again_when_they_can(tmp_path: Path) -> None:
    waiting = [0]
    told = State(recoveries=1, freshness=FRESH).ran("refresh", NOON, 1.0, failed=True)
    readiness = Readiness(tmp_path / "data" / "landing", lambda: waiting[0], 100, lambda: told)
    fresh = {
        "generation": 7, "as_of": "2026-03-01T11:00:00Z", "known_at": "2026-03-01T11:30:00Z",
        "refreshed_at": "2026-03-01T12:00:00Z", "failed_at": None, "stale": ["http crm"],
    }  # fmt: skip
    assert readiness.health() == (
        True,
        None,
        {"failing": ["refresh"], "overdue": [], "stuck": [], "store_recoveries": 1, "freshness": fresh},
    )
    readiness.watch(_done(DiskFull("landing has no room", "make some")))
    with patch("trialwise.server.health.os.write", side_effect=OSError(28, "No space left on device")):
        assert readiness.health()[:2] == (False, "events cannot be kept: No space left on device")
        assert readiness.health()[:2] == (False, "events cannot be kept: No space left on device")
    assert readiness.health().is_ready, "the disk was tried, and takes more"
    readiness.watch(_done(DiskFull("landing has no room", "make some")))
    readiness.watch(_done())
    assert readiness.health().is_ready
    assert list(tmp_path.iterdir()) == [], "trying leaves nothing behind"
    waiting[0] = 90
    assert readiness.health()[:2] == (False, "overloaded: 90 bytes wait for the disk, at most 100 may")
    waiting[0] = 0
    with patch("trialwise.server.health.shutil.disk_usage") as measured:
        measured.return_value.free = 1000
        assert readiness.health()[:2] == (False, "the disk is full: 1,000 bytes are free")
    readiness.end()
    assert readiness.health()[:2] == (False, "the server is stopping")


def test_jobs_that_are_overdue_and_sources_that_are_stuck_are_told(counting: Path) -> None:
    second, minute = timedelta(seconds=1), timedelta(minutes=1)
    told = (
        State(7, NOON)
        .plans("load", 30 * second, is_source=False)
        .plans("refresh", 15 * minute, is_source=False)
        .plans("pull crm", 5 * minute, is_source=True)
        .plans("pull day", timedelta(days=1), is_source=True)
        .begins("pull crm", NOON)
        .begins("pull day", NOON)
        .begins("refresh", NOON)
        .ran("quarantine list", NOON, 0.1, failed=False)
    )

    def seen(after: timedelta, state: State = told) -> tuple[object, object]:
        readiness = Readiness(counting, lambda: 0, 100, lambda: state, lambda: NOON + after)
        health = readiness.health()
        assert health.is_ready, "events are taken all the same"
        return health.details["overdue"], health.details["stuck"]

    assert seen(150 * second) == ([], [])
    assert seen(151 * second) == (["load"], [])
    assert seen(151 * second, told.ran("load", NOON + minute, 1.0, failed=True)) == ([], []), "failing is another thing"
    assert seen(17 * minute) == (["load", "pull crm"], [])
    assert seen(31 * minute) == (["load", "pull crm"], ["pull crm", "pull day"])
    assert seen(60 * minute, told.ran("pull day", NOON, 1.0, failed=True)) == (
        ["load", "pull crm", "refresh"], ["pull crm"],
    )  # fmt: skip
    found = samples(text(counting, told, timestamp(NOON) + 17 * 60))
    assert found['trialwise_work_overdue{work="pull crm"}'] == 1
    assert found['trialwise_work_overdue{work="pull day"}'] == 0
    assert found['trialwise_work_running_seconds{work="pull day"}'] == 17 * 60
    assert found['trialwise_work_running_seconds{work="load"}'] == 0
    assert 'trialwise_work_overdue{work="quarantine list"}' not in found, "nobody planned it"


def test_the_state_travels_and_a_full_disk_leaves_the_last_one(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched() == State()
    told = State(7, NOON, loaded=LoadReport(3, 1, 1, 1, reasons={"bad_json": 1}), published_at=NOON, freshness=FRESH)
    told = told.plans("load", timedelta(seconds=30), is_source=False).ran("load", NOON, 0.5, failed=True)
    told = told.begins("load", NOON)
    state.write(tmp_path, told)
    assert watched() == told
    assert watched().failing == ("load",)
    with patch("trialwise.server.state.Path.write_bytes", side_effect=OSError(28, "No space left on device")):
        state.write(tmp_path, State())
    assert watched() == told
    (tmp_path / state.NAME).write_text("{")
    assert state.read(tmp_path) == State()
