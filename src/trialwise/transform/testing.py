"""The pytest plugin that runs the cases beside the models: `sql/**/x.test.yaml`, one test per case.

A case gives rows of the tables a model reads and the rows to expect, with only the columns that matter:

    cases:
      - name: a late payment does not convert
        clock: {as_of: 2026-03-01}
        given:
          intermediate.invoices: [{invoice_id: in_1, paid_at: 2026-03-05 10:00:00}]
        expect:
          - {invoice_id: in_1, outcome: converted_late}

Tables that are read and not given are empty, with their real column types; `config.clock`, `config.calendar`,
`config.numbers` and `config.parameters` have rows of their own (see `cases.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trialwise.engines.duckdb import connect
from trialwise.errors import ModelError
from trialwise.transform.cases import Case, CaseMismatch, Catalogue, read_cases, run_case

SUFFIX = ".test.yaml"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CaseFile | None:
    """Collect the case files that stand beside a model."""
    if file_path.name.endswith(SUFFIX):
        return CaseFile.from_parent(parent, path=file_path)
    return None


class CaseFile(pytest.File):
    """One `x.test.yaml`."""

    def collect(self) -> Iterator[CaseItem]:
        """One test per case, named as the case."""
        try:
            cases = read_cases(self.path)
        except ModelError as error:
            raise self.CollectError(str(error)) from error
        for case in cases:
            yield CaseItem.from_parent(self, name=case.name, case=case)


class CaseItem(pytest.Item):
    """One case, run on an in-memory database of its own."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def runtest(self) -> None:
        """Raise CaseMismatch when the rows differ, ModelError when the case or the model is wrong."""
        engine = connect(threads=1)
        try:
            run_case(self.case, Catalogue.of(self.path), engine)
        finally:
            engine.close()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Rows instead of a traceback."""
        if isinstance(excinfo.value, CaseMismatch | ModelError):
            return f"{self.path}:{self.case.line}: {self.case.name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case stands, for pytest's report."""
        return self.path, self.case.line - 1, f"{self.case.model}: {self.case.name}"
