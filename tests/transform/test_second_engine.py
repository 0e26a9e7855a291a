"""Portable SQL: the cases of every model from intermediate on also hold on PostgreSQL, transpiled by sqlglot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlglot import dialects, exp
from tests.conftest import need

from trialwise.errors import ModelError
from trialwise.shipped import packaged_sql
from trialwise.transform.cases import CaseMismatch, Catalogue, read_cases, run_case

pytestmark = pytest.mark.long

FILES = sorted(path for path in packaged_sql().glob("*/*.test.yaml") if path.parent.name != "staging")

_PARAMETER = re.compile(r"\$(\w+)|%\((\w+)\)s")
"""A named parameter as the models write it, and as sqlglot writes it for PostgreSQL."""

TRY_CAST = """
CREATE FUNCTION try_cast(value text, INOUT result anyelement) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT %L::%s', value, pg_typeof(result)) INTO result;
EXCEPTION WHEN data_exception THEN result := NULL;
END $$
"""
"""PostgreSQL is the one engine without TRY_CAST; sqlglot would make it a CAST that fails."""


class TryingPostgres(dialects.Postgres):
    """PostgreSQL with the function above; its name as a dialect is `tryingpostgres`."""

    class Generator(dialects.Postgres.Generator):
        """TRY_CAST(x AS T) becomes try_cast(x, NULL of T)."""

        TRANSFORMS: ClassVar = {
            **dialects.Postgres.Generator.TRANSFORMS,
            exp.TryCast: lambda self, node: (
                f"try_cast(CAST({self.sql(node, 'this')} AS TEXT), CAST(NULL AS {self.sql(node, 'to')}))"
            ),
        }


class Postgres:
    """What a case needs of an engine, on one connection that is rolled back after each case."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def execute(self, sql: str, params: object = None) -> None:
        self.connection.execute(sql)

    def rows(self, sql: str, params: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        def literal(match: re.Match[str]) -> str:
            value = (params or {})[match.group(1) or match.group(2)]
            return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"

        return list(self.connection.execute(_PARAMETER.sub(literal, sql) if params else sql).fetchall())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of its own in a temporary folder, reached by a socket only."""
    psycopg = pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = Path(shutil.which("initdb") or (found[-1] if found else "/usr/lib/postgresql/bin/initdb"))
    need(initdb, "install Debian's package 'postgresql'")
    folder = Path(tempfile.mkdtemp(prefix="trialwise-pg-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
    data, start = folder / "data", [str(initdb.with_name("pg_ctl")), "-D", str(folder / "data"), "-w"]
    subprocess.run(
        [initdb, "-D", data, "-A", "trust", "-U", "cases", "-N", "--locale=C", "-E", "UTF8"],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off -c jit=off -c timezone=UTC"
    log = str(folder / "log")
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **who}
    subprocess.run([*start, "-l", log, "-o", options, "start"], **quiet)
    try:
        with psycopg.connect(host=str(folder), user="cases", dbname="postgres") as connection:
            connection.execute(TRY_CAST)
            connection.commit()
            yield Postgres(connection)
    finally:
        subprocess.run([*start, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.name.removesuffix('.test.yaml')}")
def test_the_cases_hold_on_postgresql(path: Path, postgres: Postgres) -> None:
    import psycopg

    wrong = []
    for case in read_cases(path):
        try:
            run_case(case, Catalogue.of(path), postgres, dialect="tryingpostgres")
        except (CaseMismatch, ModelError, psycopg.Error) as error:
            wrong.append(f"{case.name}: {error}")
        finally:
            postgres.connection.rollback()
    assert not wrong, "\n\n".join(wrong)
