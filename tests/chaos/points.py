"""Where the storm kills on purpose: one call of one process each, by name of the stage it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["child", "parent", "command"]
When = Literal["before", "after", "half"]
Cause = Literal["traffic", "first refresh", "refresh", "refresh typed", "compact", "import", "restart", "damage"]


@dataclass(frozen=True)
class Point:
    """One fail point; role, call, match, via and when as in faults/sitecustomize.py.

    most: the storm kills at the 1st to `most`th such call, by chance. cause: what the storm does so that the call is
    made: nothing but the client's traffic; a refresh, compaction or import; a restart after a kill while sealing; a
    restart after the store's file was cut.
    """

    name: str
    stage: str
    role: Role
    call: str
    match: str
    when: When = "before"
    via: str = ""
    most: int = 1
    cause: Cause = "traffic"


JOURNAL = r"/live/[^/]*\.ndjson"
MANIFEST = r"/manifest\.ndjson"
TAKING = r"\.ndjson -> .*\.ndjson\.sealing$"
NAMING = r"\.sealing -> .*/\d{6}\.ndjson$"
LOAD = r"^landing/load\.py:load$"
REFRESH = r"^pipeline\.py:task$"
MODELS = r"^transform/(build|incremental)\.py:"
CHECKS = r"^transform/check(ed)?\.py:"
WRITTEN = r"^(CREATE OR REPLACE TABLE|DELETE|INSERT)"
PUBLISH = r"^delivery/publishing\.py:"

POINTS = (
    # a request: appended, synced, answered
    Point("append", "receive", "child", "pwrite", JOURNAL, most=5),
    Point("torn append", "receive", "child", "pwrite", JOURNAL, "half", most=5),
    Point("unsynced", "receive", "child", "fsync", JOURNAL, most=5),
    Point("synced, unanswered", "fsync", "child", "fsync", JOURNAL, "after", most=5),
    Point("nameless journal", "fsync", "child", "fsync", r"/live$"),
    # a journal becomes a segment
    Point("take", "seal", "parent", "rename", TAKING),
    Point("taken", "seal", "parent", "rename", TAKING, "after"),
    Point("taken, unsynced", "seal", "parent", "fsync", r"\.sealing$"),
    Point("segment in manifest", "seal", "parent", "pwrite", MANIFEST + r' .*"import"'),
    Point("torn manifest", "seal", "parent", "pwrite", MANIFEST + r' .*"import"', "half"),
    Point("segment noted", "seal", "parent", "pwrite", MANIFEST + r' .*"import"', "after"),
    Point("segment named", "seal", "parent", "rename", NAMING, "after"),
    # segments become rows
    Point("rows", "load", "parent", "sql", r"INSERT INTO raw\.events\b"),
    Point("load before COMMIT", "load", "parent", "sql", r"^COMMIT", via=LOAD),
    Point("load after COMMIT", "load", "parent", "sql", r"^COMMIT", "after", via=LOAD),
    Point("torn note of a load", "load", "parent", "pwrite", MANIFEST + r' .*"load"', "half"),
    Point("load noted", "load", "parent", "pwrite", MANIFEST + r' .*"load"', "after"),
    # rows become results
    Point("calibration kept", "refresh", "parent", "rename", r"-> .*/calibration\.ndjson$", cause="first refresh"),
    Point("model", "refresh", "parent", "sql", "", via=MODELS, most=80, cause="refresh"),
    Point("check", "refresh", "parent", "sql", "", via=CHECKS, most=30, cause="refresh"),
    Point("models before COMMIT", "refresh", "parent", "sql", r"^COMMIT", via=REFRESH, cause="refresh"),
    Point("models after COMMIT", "refresh", "parent", "sql", r"^COMMIT", "after", via=REFRESH, cause="refresh"),
    # results become what is read
    Point("copy", "publish", "parent", "sql", WRITTEN, via=PUBLISH, most=30, cause="refresh"),
    Point("copied", "publish", "parent", "sql", r"^CHECKPOINT", "after", via=PUBLISH, cause="refresh"),
    Point("generation synced", "publish", "parent", "fsync", r"\.duckdb\.unfinished$", "after", cause="refresh"),
    Point("generation named", "publish", "parent", "rename|replace", r"-> .*/\d{6}\.duckdb$", "after", cause="refresh"),
    Point("before CURRENT", "publish", "parent", "rename|replace", r"-> .*/CURRENT$", cause="refresh"),
    Point("after CURRENT", "publish", "parent", "rename|replace", r"-> .*/CURRENT$", "after", cause="refresh"),
    Point("before CHECKPOINT", "checkpoint", "parent", "sql", r"^CHECKPOINT$", via=REFRESH, cause="refresh"),
    Point("after CHECKPOINT", "checkpoint", "parent", "sql", r"^CHECKPOINT$", "after", via=REFRESH, cause="refresh"),
    # a start after a kill, killed itself
    Point("leftover journal", "restart", "parent", "pwrite", MANIFEST + r' .*"import"', cause="restart"),
    Point("first load", "restart", "parent", "sql", r"^COMMIT", "after", via=LOAD, cause="restart"),
    Point("damaged store aside", "restart", "parent", "rename", r"\.damaged-\d+$", "after", cause="damage"),
    Point("new store filled", "restart", "parent", "sql", r"^COMMIT", via=LOAD, cause="damage"),
    # commands beside the server
    Point("file landed", "import", "command", "fsync", r"/\d{6}\.ndjson\.open$", cause="import"),
    Point("torn manifest of a file", "import", "command", "pwrite", MANIFEST, "half", cause="import"),
    Point("file noted", "import", "command", "pwrite", MANIFEST, "after", cause="import"),
    Point("file named", "import", "command", "rename", r"\.open -> ", "after", cause="import"),
    Point("command asks", "command", "command", "sendall", "", "after", cause="refresh typed"),
    Point("owner while asked", "command", "parent", "sql", "", via=MODELS, most=40,
          cause="refresh typed"),
    # old segments become Parquet
    Point("Parquet written", "compact", "parent", "sql", r"^COPY", "after", cause="compact"),
    Point("Parquet named", "compact", "parent", "rename", r"-> .*\.parquet$", "after", cause="compact"),
    Point("Parquet noted", "compact", "parent", "pwrite", MANIFEST + r' .*"compacted"', "after", cause="compact"),
    Point("segments removed", "compact", "parent", "unlink", r"/\d{6}\.ndjson$", "after", cause="compact"),
)  # fmt: skip

STAGES = tuple(dict.fromkeys(point.stage for point in POINTS))
RANDOM = (
    "collector", "parent", "import command", "collector", "everything", "refresh command", "collector", "start",
)  # fmt: skip
"""Kills at a moment chosen by chance: of one collector, the parent alone, all, a parent that starts, a command."""
