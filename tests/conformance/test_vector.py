"""The conformance vector of the definitions through the command line: three ways in, both dates, every definition."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run, write_lines
from tests.oracle import vector

TOML = """
[trials]
length_days = 14
[events]
value = ["Report Created"]
"""


@pytest.fixture(scope="module", params=vector.WAYS)
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[vector.Way, Path]:
    way: vector.Way = request.param
    folder = tmp_path_factory.mktemp(way)
    (folder / "trialwise.toml").write_text(TOML, encoding="utf-8")
    if way == "product":
        file = write_lines(folder / "segment.ndjson", vector.product_events())
        run("import", "events", file, "-C", folder)
    else:
        records = vector.stripe_events() if way == "events" else vector.stripe_snapshots()
        run("import", "stripe", "--from", write_lines(folder / "stripe.ndjson", records), "-C", folder)
    return way, folder


def test_every_definition_at_both_dates(workspace: tuple[vector.Way, Path]) -> None:
    way, folder = workspace
    wrong = []
    for expected in vector.rates(way):
        options = [f"--{name.replace('_', '-')}={value}" for name, value in expected.options]
        rows = run(
            "metrics", "trial_conversion", "--definition", expected.definition, *options, "--by",
            "all" if expected.definition.startswith("rolling") else "month",
            "--as-of", expected.as_of, "--format", "json", "-C", folder,
        ).rows()  # fmt: skip
        found = [row for row in rows if row["period_start"] == expected.period_start]
        got = (
            {name: found[0][name] for name in ("period_end", "numerator", "denominator", "pending", "value")}
            if found
            else {}
        )
        want = {
            "period_end": expected.period_end,
            "numerator": len(expected.numerator),
            "denominator": len(expected.denominator),
            "pending": len(expected.pending),
            "value": expected.value,
        }
        if got != want:
            wrong.append(f"{expected}\n  found {got}")
        elif expected.bounds and expected.definition != "rolling_flow":
            assert (found[0]["bound_low"], found[0]["bound_high"]) == pytest.approx(expected.bounds)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("as_of", [vector.END_OF_JANUARY, vector.END_OF_MARCH])
def test_outcomes_and_active_trials(workspace: tuple[vector.Way, Path], as_of: str) -> None:
    way, folder = workspace
    every = run("trials", "--all", "--as-of", as_of, "--format", "json", "-C", folder).rows()
    outcomes = {row["account_id"].removeprefix("acct_").upper(): row["outcome"] for row in every}
    assert outcomes == vector.outcomes(way, as_of)
    active = run("trials", "--as-of", as_of, "--format", "json", "-C", folder).rows()
    assert sorted(row["account_id"].removeprefix("acct_").upper() for row in active) == list(vector.ACTIVE[as_of])


def test_the_status_definition_knows_no_product_trials(workspace: tuple[vector.Way, Path]) -> None:
    way, folder = workspace
    rows = run(
        "metrics", "trial_conversion", "--definition", "status", "--by", "all", "--as-of", vector.END_OF_MARCH,
        "--format", "json", "-C", folder,
    ).rows()  # fmt: skip
    assert rows[0]["denominator"] == (0 if way == "product" else 6)
