"""The shipped models as a whole: they lint clean, and they build on an empty store without a failing check."""

import pytest

from trialwise.composition import models as composed
from trialwise.config import parse_config
from trialwise.engines.duckdb import Engine
from trialwise.transform.build import build
from trialwise.transform.docs import models_markdown
from trialwise.transform.lint import lint
from trialwise.transform.model import Model


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """The shipped models under the default configuration."""
    return composed(parse_config({}))


def test_they_lint_clean(models: dict[str, Model]) -> None:
    assert [str(finding) for finding in lint(models)] == []


def test_they_build_on_an_empty_store(models: dict[str, Model], engine: Engine) -> None:
    report = build(engine, models)
    assert {built.name for built in report.models} == {m.name for m in models.values() if m.kind == "model"}
    assert report.warnings == ()
    assert all(built.rows is None or built.rows >= 0 for built in report.models)


def test_every_model_has_its_place_on_the_page(models: dict[str, Model]) -> None:
    page = models_markdown(models)
    assert all(f"### {name}\n" in page for name in models)
