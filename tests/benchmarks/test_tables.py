"""The page's tables are made of the kept figures and say what these say."""

import json

from benchmarks.measure import Cost, Goal

from benchmarks import tables


def test_a_cell_tells_cpu_then_clock_and_whether_the_target_is_kept():
    assert tables.cell(Goal("G1", "a ratio", Cost(wall=30.0, cpu=12.345), 20)) == "12.3 (30) met"
    assert tables.cell(Goal("G11", "p50, ms", Cost(wall=7.0, cpu=4.0), 5, by_clock=True)) == "7 (4) **missed**"
    assert tables.cell(Goal("G7", "differing", Cost(0.0, 0.0), 0)) == "0 met"
    assert tables.cell(None) == ""


def test_rows_of_runs_and_histories_meet_under_one_name():
    assert tables.told("100,000,000: a new day / full refresh") == tables.told("a new day: refresh / full refresh")
    assert tables.told("10,000,000: noon, 366 trials used / full refresh") == tables.told(
        "noon, 12 trials used: refresh / full refresh"
    )


def test_the_blocks_of_the_page_are_known_and_nothing_else_is_touched(tmp_path, monkeypatch):
    names = [found[2] for found in tables.BLOCK.finditer(tables.PAGE.read_text(encoding="utf-8"))]
    assert names == ["goals", "peers", "history", "profile", "runs"]
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- goals -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    run = {
        "events": 1_000_000, "accounts": 1_200,
        "goals": [{"goal": "G12", "what": "refresh, s", "value": {"wall": 0.5, "cpu": 0.25}, "target": 0.3}],
    }  # fmt: skip
    (tmp_path / "1m.json").write_text(json.dumps(run), encoding="utf-8")
    monkeypatch.setattr(tables, "PAGE", page)
    monkeypatch.setattr(tables, "FIGURES", tmp_path)
    tables.main()
    assert page.read_text(encoding="utf-8") == (
        "before\n<!-- goals -->\n\n| Goal |  | Target | 1M events, 1,200 trials |\n| --- | --- | --- | --- |\n"
        "| G12 | refresh, s | <= 0.3 | 0.25 (0.5) met |\n\n<!-- end -->\nafter\n"
    )
