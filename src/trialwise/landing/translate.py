"""Records of other systems' formats, kept as they were sent, become calls on their way into the raw tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trialwise.engines.duckdb import Engine
from trialwise.errors import Untranslatable
from trialwise.landing.statements import statement

if TYPE_CHECKING:
    import polars as pl

Translate = Callable[[str, str | None], Mapping[str, Any]]
"""(record, envelope, both JSON text) -> one call in Segment's shape; raises Untranslatable."""
Translators = Mapping[str, Translate]
"""Format -> its translator."""

PLAIN = frozenset({"auto", "segment", "flat"})
"""Formats of events that SQL reads as they are."""
_BATCH = 20_000
_MOST_DETAIL = 200


def fill(engine: Engine, translate: Translate) -> None:
    """Fill `translated` with what becomes of the records of `frames`, or why nothing does."""
    waiting = engine.frame(statement("untranslated"))
    for start in range(0, waiting.height, _BATCH):
        done = [(segment, item, *_one(translate, raw, env))
                for segment, item, raw, env in waiting.slice(start, _BATCH).iter_rows()]  # fmt: skip
        engine.append("translated", _frame(done))


def _frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    import polars as pl

    schema: dict[str, Any] = {
        "segment": pl.Int32, "item": pl.Int64, "call": pl.String, "reason": pl.String, "detail": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _one(translate: Translate, raw: str, envelope: str | None) -> tuple[str | None, str | None, str | None]:
    """(the call's JSON text, reason, detail): the first or the others are None."""
    try:
        call = json.dumps(translate(raw, envelope), ensure_ascii=False, allow_nan=False)
        call.encode()
    except Untranslatable as refused:
        return None, refused.reason, None if refused.detail is None else _printable(refused.detail)
    except Exception as error:
        # A translator's fault must not keep the other records waiting. What it complains of may quote the record, which
        # quarantine keeps anyway, so that its kind is enough here.
        return None, "untranslatable", f"the translator failed with {type(error).__name__}"
    return call, None, None


def _printable(detail: str) -> str:
    return detail[:_MOST_DETAIL].encode("utf-8", "replace").decode()
