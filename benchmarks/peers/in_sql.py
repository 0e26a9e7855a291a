"""Plain SQL on text keys in DuckDB: the queries of the dbt project without dbt, in one connection to a file."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers.timing import Stages, arguments

MODELS = ("stg_events", "user_days", "trial_usage", "conversion")


def main() -> None:
    """Run the texts that dbt compiled for a full build."""
    _inputs, answers, settings = arguments()
    stages = Stages()
    connection = duckdb.connect(str(answers / "sql.duckdb"), config={"threads": settings["threads"]})
    connection.execute("SET TimeZone = 'UTC'")
    for model in MODELS:
        text = (Path(settings["sql"]) / f"{model}.sql").read_text(encoding="utf-8")
        text = text.replace('"dbt"."main".', "")
        connection.execute(f"CREATE OR REPLACE TABLE {model} AS {text}")
        if model == "stg_events":
            stages.done("load")
    connection.close()
    stages.done("models")
    stages.tell()


if __name__ == "__main__":
    main()
