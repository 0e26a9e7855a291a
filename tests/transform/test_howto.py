"""The example of docs/howto/add-a-model.md lints clean and its case holds."""

import re
from pathlib import Path

from trialwise.engines.duckdb import Engine
from trialwise.shipped import packaged_sql
from trialwise.transform.cases import Catalogue, read_cases, run_case
from trialwise.transform.lint import lint
from trialwise.transform.model import load_models

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-a-model.md"


def test_the_example_of_the_page_works(tmp_path: Path, engine: Engine) -> None:
    blocks = dict(reversed(re.findall(r"```(sql|yaml)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)))
    folder = tmp_path / "sql" / "intermediate"
    folder.mkdir(parents=True)
    (folder / "account_teammates.sql").write_text(blocks["sql"], encoding="utf-8")
    path = folder / "account_teammates.test.yaml"
    path.write_text(blocks["yaml"], encoding="utf-8")
    models = load_models([packaged_sql(), tmp_path / "sql"])
    assert [finding for finding in lint(models) if finding.model == "intermediate.account_teammates"] == []
    (case,) = read_cases(path)
    run_case(case, Catalogue.of(path), engine)
    assert engine.rows("SELECT count(*) FROM intermediate.user_days") == [(2,)]
