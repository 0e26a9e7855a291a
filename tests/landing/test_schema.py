"""The shape of the raw tables: known by its number, compared column by column where the texts differ."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from trialwise.engines.duckdb import Engine, connect
from trialwise.errors import StoreError
from trialwise.landing import schema

SHAPES = {1: "b61a8b7cc78ce1d8", 2: "64cf6b0a69a31078"}
"""The first digits of the SHA-256 over columns and types of each shape there has been."""


@pytest.fixture
def store() -> Engine:
    engine = connect()
    schema.create_raw(engine)
    return engine


def stamp(engine: Engine, text: str) -> None:
    engine.execute(f"COMMENT ON TABLE raw.loads IS '{text}'")


def test_another_column_needs_another_number(store: Engine) -> None:
    """When this fails: schema.VERSION goes up by one, and gets its line in SHAPES."""
    text = "\n".join(f"{name} {kind}" for name, kind in sorted(schema.columns(store).items()))
    assert hashlib.sha256(text.encode()).hexdigest().startswith(SHAPES[schema.VERSION])


def test_a_store_of_this_version_is_not_even_looked_into(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "columns", None)
    assert schema.outdated(store) is None


def test_a_store_without_tables_has_no_shape() -> None:
    assert schema.outdated(connect()) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE raw.events DROP body_hash", "it has no raw.events.body_hash"),
        ("ALTER TABLE raw.events ADD COLUMN payload JSON", "it has raw.events.payload, which is no more"),
        ("ALTER TABLE raw.events ALTER body_hash TYPE VARCHAR", "its raw.events.body_hash is VARCHAR, not UBIGINT"),
        ("DROP TABLE raw.stripe", "it has no raw.stripe."),
    ],
)
@pytest.mark.parametrize("comment", ["", "shape 1 of 0123456789abcdef"])
def test_what_an_older_version_made_otherwise(store: Engine, change: str, reason: str, comment: str) -> None:
    store.execute(change)
    stamp(store, comment)
    assert (schema.outdated(store) or "").startswith(reason)


def test_the_same_columns_under_another_text_are_the_same_shape(store: Engine) -> None:
    for comment in ("", f"shape {schema.VERSION} of 0123456789abcdef"):
        stamp(store, comment)
        assert schema.outdated(store) is None
    schema.create_raw(store)
    [(comment,)] = store.rows("SELECT comment FROM duckdb_tables() WHERE table_name = 'loads'")
    assert comment.startswith(f"shape {schema.VERSION} of ")
    assert "0123456789abcdef" not in comment


def test_an_older_number_is_enough(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", made + 1)
    assert schema.outdated(store) == f"its raw tables have shape {made}, not {made + 1}"


def test_a_newer_one_is_refused(store: Engine) -> None:
    stamp(store, "shape 9 of 0123456789abcdef")
    with pytest.raises(
        StoreError, match="newer version of trialwise: its raw tables have shape 9, this one knows up to"
    ):
        schema.outdated(store)


def test_the_text_counts_as_it_was_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Engine) -> None:
    shutil.copytree(schema.sql_folder(), tmp_path / "sql")
    path = tmp_path / "sql" / "raw" / "events.sql"
    path.write_text(path.read_text().replace("  body_hash UBIGINT", "  kind VARCHAR,\n  body_hash UBIGINT"))
    monkeypatch.setattr(schema, "sql_folder", lambda: tmp_path / "sql")
    schema._text_key.cache_clear()
    schema._wanted.cache_clear()
    try:
        assert schema.outdated(store) == "it has no raw.events.kind"
    finally:
        schema._text_key.cache_clear()
        schema._wanted.cache_clear()
