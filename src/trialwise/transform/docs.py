"""The text of docs/models.md: every model with its columns, grain, checks and cases, and the lineage graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trialwise.transform.cases import read_cases
from trialwise.transform.check import checks_of
from trialwise.transform.model import Model

_INTRODUCTION = (
    "Generated from `sql/` by `trialwise docs`; edit the models, not this page. One file is one table: "
    "`sql/intermediate/trials.sql` makes `intermediate.trials`."
)
_FOLDERS = {
    "raw": "What the loader writes, without logic.",
    "config": "What trialwise.toml says, as tables.",
    "staging": "One view per raw table: renamed and cast.",
    "intermediate": "One meaning, computed once.",
    "marts": "What the product promises: stable names and columns.",
    "lists": "One file, one list for sales and growth.",
    "metrics": "Queries over the published tables, run by `trialwise metrics`.",
    "calibration": "Benchmarks and percentile grids, appended on a schedule of their own.",
}


def models_markdown(models: Mapping[str, Model]) -> str:
    """The whole page. The same models give the same text, so that a test can compare it with the file."""
    cases = {name: case_names(model.path) for name, model in models.items()}
    schemas = sorted({model.schema for model in models.values()}, key=_rank)
    parts = [
        "# Models",
        _INTRODUCTION,
        "## Lineage",
        lineage(models),
    ]
    for schema in schemas:
        parts.append(f"## {schema}")
        if schema in _FOLDERS:
            parts.append(_FOLDERS[schema])
        parts += [
            _section(models[name], cases[name], models) for name in sorted(models) if models[name].schema == schema
        ]
    return "\n\n".join(parts) + "\n"


def lineage(models: Mapping[str, Model]) -> str:
    """What reads what, as a mermaid graph; configuration tables are left out, they are read almost everywhere."""
    edges = [
        f"  {table} --> {name}"
        for name in sorted(models)
        for table in models[name].reads
        if not table.startswith("config.")
    ]
    return "\n".join(["```mermaid", "flowchart LR", *edges, "```"])


def case_names(path: Path) -> list[str]:
    """The names of the cases beside a model, none when it has no case file."""
    beside = path.with_name(f"{path.stem}.test.yaml")
    return [case.name for case in read_cases(beside)] if beside.is_file() else []


def _rank(schema: str) -> tuple[int, str]:
    known = list(_FOLDERS)
    return (known.index(schema) if schema in known else len(known), schema)


def _section(model: Model, cases: Sequence[str], models: Mapping[str, Model]) -> str:
    header = model.header
    facts = [
        ("Grain", header.grain or ""),
        ("Key", ", ".join(header.key)),
        ("Built as", "" if model.kind != "model" else "view" if model.is_view else "table"),
        ("Incremental by", ", ".join(header.incremental)),
        ("Reads", ", ".join(model.reads)),
        ("Read by", ", ".join(sorted(other.name for other in models.values() if model.name in other.reads))),
        ("Decision", f"[{header.decision}](../DECISIONS.md#{header.decision})" if header.decision else ""),
    ]
    lines = [f"### {model.name}", "", header.description.strip(), ""]
    lines += [f"- {name}: {text}" for name, text in facts if text]
    lines += ["", "| Column | Type | Meaning |", "|---|---|---|"]
    lines += [f"| {c.name} | {c.type} | {_cell(c.description)} |" for c in model.columns]
    checks = [f"- {query.check} ({query.level})" for query in checks_of(model)] if model.kind == "model" else []
    if checks:
        lines += ["", "Checks:", *checks]
    if cases:
        lines += ["", "Cases:", *(f"- {name}" for name in cases)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
