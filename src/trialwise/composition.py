"""The models of a workspace: shipped and own SQL, composed with the lists its configuration defines."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlglot import exp, parse_one

from trialwise import parameters
from trialwise.clock import Clock
from trialwise.config import Config
from trialwise.config.milestones import milestones
from trialwise.errors import ModelError
from trialwise.scoring.rules import (
    NOT_FOR_SCORING,
    caps_in_force,
    group_rows,
    rule_expansion,
    rule_rows,
    rules_in_force,
)
from trialwise.scoring.segments import segment_expansion, segment_rows, segments_in_force
from trialwise.shipped import digest as digest_of_files
from trialwise.shipped import find_files, roots
from trialwise.transform.columns import check_columns
from trialwise.transform.condition import parse_condition
from trialwise.transform.expand import Expansion, Replacement, item
from trialwise.transform.keys import check_incremental
from trialwise.transform.model import PUBLISHED_SCHEMAS, Model, load_model, load_models

if TYPE_CHECKING:
    import polars as pl

CATALOGUE = "intermediate.trial_days"
COMPOSING = ("milestones", "attributes", "score", "segments")
"""Sections of the configuration that shape the text of models; all others become rows of config tables."""
Tables = Mapping[str, "pl.DataFrame"]
_ONE_AT_A_TIME = Lock()
"""It takes seconds: a thread that asks for what another one composes waits for that."""
ATTRIBUTE_TYPES = {"text": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN"}


def models(config: Config, own: Path | None = None) -> dict[str, Model]:
    """Every model of a workspace by name, expanded for its configuration; as they were where nothing of it changed.

    Raises ModelError for a file that cannot be used and ConfigError for a segment or score rule that does not
    type-check against the catalogue, each naming it.
    """
    with _ONE_AT_A_TIME:
        return dict(_composed(_definition(config, own)))


def promised_models(config: Config, own: Path | None = None) -> dict[str, Model]:
    """As `models`, once what the queries alone can show is shown: incremental keys kept, columns of metrics there.

    Raises ModelError naming the model and the promise, also as `models` does.
    """
    with _ONE_AT_A_TIME:
        return dict(_promised(_definition(config, own)))


def fingerprints(config: Config, models: Mapping[str, Model]) -> dict[str, str]:
    """What results are made from besides data: the configuration and all models, each as one digest."""
    definitions = sorted((name, model.fingerprint) for name, model in models.items())
    told = {"config": config.model_dump_json(), "models": repr(definitions)}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in told.items()}


@dataclass(frozen=True)
class _Definition:
    """What models are made of; two of the same text and files are one. config: the sections of `COMPOSING` alone."""

    digest: str
    config: Config = field(compare=False)
    own: Path | None = field(compare=False)


def _definition(config: Config, own: Path | None) -> _Definition:
    alone = Config().model_copy(update={name: getattr(config, name) for name in COMPOSING})
    digest = hashlib.sha256(alone.model_dump_json(include=set(COMPOSING)).encode())
    digest.update(digest_of_files(roots(own)).encode())
    return _Definition(digest.hexdigest(), alone, own)


@lru_cache(maxsize=4)
def _composed(definition: _Definition) -> dict[str, Model]:
    lists = expansion(definition.config, definition.own)
    found = load_models(roots(definition.own), lists)
    if definition.own is not None:
        _check_overrides(found, definition.own, lists)
    return found


def _check_overrides(found: Mapping[str, Model], own: Path, lists: Expansion) -> None:
    """What is published under a shipped name has the shipped columns: programs read them. Raises ModelError."""
    shipped = find_files(roots())
    for name in sorted(find_files([own]).keys() & shipped.keys()):
        model = found[name]
        if model.schema in PUBLISHED_SCHEMAS:
            known = load_model(shipped[name], name, lists).column_names
            lacking = [column for column in known if column not in model.column_names]
            if lacking:
                more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
                raise ModelError(
                    f"{name}: {model.path} lacks {', '.join(lacking[:3])}{more} of the shipped model",
                    "Metrics, lists and other models read them: keep them, or give the table a name of its own.",
                )


@lru_cache(maxsize=4)
def _promised(definition: _Definition) -> dict[str, Model]:
    found = _composed(definition)
    for model in found.values():
        check_incremental(model, found)
        if model.schema == "metrics":
            check_columns(model, found)
    return found


@dataclass(frozen=True)
class CatalogueColumn:
    """A column that conditions may speak of: its type, what it means, and whether score rules may read it."""

    column: str
    type: str
    description: str
    for_scoring: bool


def catalogue_columns(config: Config, own: Path | None = None) -> list[CatalogueColumn]:
    """The catalogue as people read it, in the order of the model."""
    return [
        CatalogueColumn(
            column.name,
            column.type,
            column.description,
            not _is_score(column.name, config) and column.name not in NOT_FOR_SCORING,
        )
        for column in _catalogue_model(config, own).columns
    ]


def catalogue(config: Config, own: Path | None = None) -> dict[str, str]:
    """Columns of the trial-day catalogue with their types: what segment conditions may speak of."""
    return {column.name: column.type for column in _catalogue_model(config, own).columns}


def _catalogue_model(config: Config, own: Path | None) -> Model:
    lists = {**_plain_lists(config), **rule_expansion(rules_in_force(config), caps_in_force(config), _unchecked)}
    return load_model(find_files(roots(own))[CATALOGUE], CATALOGUE, lists)


def expansion(config: Config, own: Path | None = None) -> Expansion:
    """The configured lists with their parsed, type-checked expressions."""
    columns = catalogue(config, own)
    rules, caps = rules_in_force(config), caps_in_force(config)
    scores = {name for name in columns if _is_score(name, config)}
    usable = {name: kind for name, kind in columns.items() if name not in scores}
    lists: dict[str, Sequence[Mapping[str, Replacement]]] = {}
    lists.update(_plain_lists(config))
    lists.update(rule_expansion(rules, caps, partial(parse_condition, catalogue=usable)))
    lists.update(segment_expansion(segments_in_force(config), partial(parse_condition, catalogue=columns)))
    return lists


def settings_tables(config: Config, clock: Clock, names: Sequence[tuple[int, str]], folder: Path) -> Tables:
    """Every config.* table that configuration and clock fill, by name, as frames; calibration is made elsewhere.

    names: (event_key, event_name) of every event name seen. folder: where files that the configuration names lie.
    """
    import polars as pl

    rules, caps = rules_in_force(config), caps_in_force(config)
    rows = {
        "config.segments": segment_rows(segments_in_force(config)),
        "config.score_rules": rule_rows(rules),
        "config.score_groups": group_rows(rules, caps),
    }
    scores = {table: pl.DataFrame(found, infer_schema_length=None) for table, found in rows.items()}
    return {**parameters.tables(config, clock, names, folder), **scores}


def _plain_lists(config: Config) -> dict[str, list[dict[str, Replacement]]]:
    return {
        "each_milestone": [dict(item("each_milestone", key)) for key in milestones(config)],
        "each_attribute": [
            dict(item("each_attribute", f"attr_{key}", type=ATTRIBUTE_TYPES[attribute.type]))
            for key, attribute in config.attributes.items()
        ],
    }


def _is_score(column: str, config: Config) -> bool:
    """Whether a column holds the score or a part of it; a rule may not read what it makes."""
    parts = {f"points_{rule.key}" for rule in rules_in_force(config)} | {f"cap_{key}" for key in caps_in_force(config)}
    return column in parts or column.endswith("_score_hundredths") or column in {"fit_grade", "engagement_grade"}


def _unchecked(text: str) -> exp.Expr:
    """A rule's condition without a type check: here only the names and types of columns are wanted."""
    return parse_one(text, dialect="duckdb")
