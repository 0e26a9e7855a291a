"""Prometheus: counters of every collector in files they share, and what is measured when somebody asks.

Each collector counts in files of its own slot under data/run, which outlive it: the next one in the slot goes on, so no
counter falls while the server lives. The files are allocated whole at the start: a disk that is full later must not
end the process that writes to them through memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from trialwise.errors import StoreError
from trialwise.server.measures import Measures, timestamp
from trialwise.server.state import State

ALLOCATED = 256 << 10
"""Bytes of a file: more than a thousand series; past that it grows."""
ACK_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)

COUNTED: Mapping[str, str] = {
    "requests": "Requests answered.",
    "records": "Records acknowledged: on disk when the client read 2xx.",
    "received_bytes": "Bytes of bodies that were taken, decompressed.",
    "refused": "Requests answered 4xx or 5xx, by reason.",
    "webhooks_asked": "Webhook calls, rightly signed, by which a provider only asks whether anyone is there.",
    "webhooks_refused": "Webhook calls whose signature was not good.",
}


class Counts:
    """The counters of one collector. slot: which of the collectors it is; its predecessor's counts go on."""

    def __init__(self, folder: Path, slot: str) -> None:
        for kind in ("counter", "histogram"):
            _allocate(folder / f"{kind}_{slot}.db")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        in_slot: Callable[..., Any] = values.MultiProcessValue
        values.ValueClass = in_slot(lambda: slot)
        self._counters: dict[str, Counter] = {}
        self._children: dict[tuple[str, ...], Counter] = {}
        self._ack = Histogram(
            "trialwise_ack_seconds",
            "From a request's records being complete to their being on disk.",
            buckets=ACK_BUCKETS,
            registry=None,
        )

    def count(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Add to trialwise_NAME_total; the labels of a name are always the same ones, in the same order."""
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._counter(name, labels).labels(**labels)
        child.inc(value)

    def acknowledged(self, seconds: float) -> None:
        """Note how long records took to be durable."""
        self._ack.observe(seconds)

    def _counter(self, name: str, labels: Mapping[str, str]) -> Counter:
        counter = self._counters.get(name)
        if counter is None:
            text = COUNTED.get(name, name.replace("_", " ").capitalize() + ".")
            counter = Counter(f"trialwise_{name}", text, tuple(labels), registry=None)
            self._counters[name] = counter
        return counter


def prepare(folder: Path) -> None:
    """An empty folder for the files of a server that starts."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink()


def text_of(folder: Path, state: Callable[[], State], measures: Measures) -> tuple[bytes, str]:
    """(the metrics of the whole server, their content type)."""
    registry = CollectorRegistry()
    counted: Callable[..., Any] = MultiProcessCollector
    counted(registry, path=str(folder))
    registry.register(_Owned(state, measures))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Owned(Collector):
    """What the owner did, and what can be seen on the disk."""

    def __init__(self, state: Callable[[], State], measures: Measures) -> None:
        self._state = state
        self._measures = measures

    def collect(self) -> Iterable[Metric]:
        """All families."""
        state = self._state()
        yield from _loads(state)
        yield from _work(state, self._measures.now)
        stale = GaugeMetricFamily(
            "trialwise_source_stale", "1 for a source that failed or fell silent.", labels=["source"]
        )
        for name in state.freshness.stale:
            stale.add_metric([name], 1)
        yield stale
        yield _counter("collector_restarts", "Collectors that died and were started again.", state.restarts)
        for gauge in self._measures.gauges():
            yield GaugeMetricFamily(f"trialwise_{gauge.name}", gauge.text, value=gauge.value)


def _loads(state: State) -> Iterator[Metric]:
    loaded = state.loaded
    yield _counter("loaded_records", "Records loaded into the raw tables since the server started.", loaded.loaded)
    yield _counter(
        "duplicate_records", "Records of these loads that had been there before and were left out.", loaded.duplicate
    )
    family = CounterMetricFamily(
        "trialwise_quarantined_records",
        "Records these loads refused, by reason, whatever became of them since; 'trialwise quarantine list' has those "
        "that wait.",
        labels=["reason"],
    )
    for reason, count in sorted(loaded.reasons.items()):
        family.add_metric([reason], count)
    yield family
    forgotten = CounterMetricFamily(
        "trialwise_forgotten_records",
        "Records of accounts and users that were forgotten, of which nothing was kept: found when they were loaded, or "
        "not landed at all.",
        labels=["found"],
    )
    forgotten.add_metric(["load"], loaded.forgotten)
    forgotten.add_metric(["stripe api"], state.unlanded)
    yield forgotten
    yield _counter(
        "refilled_records",
        "Records read again since the server started because the store was filled anew from landing; the others count "
        "without them.",
        state.refilled,
    )


def _work(state: State, now: datetime) -> Iterator[Metric]:
    runs = CounterMetricFamily("trialwise_work_runs", "Pieces of the owner's work.", labels=["work"])
    failures = CounterMetricFamily("trialwise_work_failures", "Pieces of work that failed.", labels=["work"])
    seconds = GaugeMetricFamily("trialwise_work_last_seconds", "How long the last run took.", labels=["work"])
    failing = GaugeMetricFamily("trialwise_work_failing", "1 while the last run failed.", labels=["work"])
    succeeded = GaugeMetricFamily(
        "trialwise_work_last_success_timestamp_seconds", "When it last went well.", labels=["work"]
    )
    overdue = GaugeMetricFamily("trialwise_work_overdue", "1 when no run has ended for too long.", labels=["work"])
    running = GaugeMetricFamily("trialwise_work_running_seconds", "How long a run goes on now.", labels=["work"])
    late = state.overdue(now)
    for name, work in sorted(state.work.items()):
        runs.add_metric([name], work.runs)
        failures.add_metric([name], work.failures)
        seconds.add_metric([name], work.seconds)
        failing.add_metric([name], work.is_failing)
        if work.succeeded_at is not None:
            succeeded.add_metric([name], timestamp(work.succeeded_at))
        if work.every is not None:
            overdue.add_metric([name], name in late)
            running.add_metric([name], (now - work.began_at).total_seconds() if work.began_at is not None else 0.0)
    yield from (runs, failures, seconds, failing, succeeded, overdue, running)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"trialwise_{name}", text, value=value)


def _allocate(path: Path) -> None:
    """Take the room a file will need; one that is there goes on. Raises StoreError when there is none."""
    if path.exists() and path.stat().st_size >= ALLOCATED:
        return
    try:
        with path.open("wb") as stream:
            stream.write(bytes(ALLOCATED))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", "Make room and start again.") from error
