"""The page of all models, on a project small enough to read the whole text."""

from tests.transform.project import Project

from trialwise.transform.docs import models_markdown

PAGE = """# Models

Generated from `sql/` by `trialwise docs`; edit the models, not this page. One file is one table: \
`sql/intermediate/trials.sql` makes `intermediate.trials`.

## Lineage

```mermaid
flowchart LR
  raw.items --> marts.x
  marts.x --> own.y
```

## raw

What the loader writes, without logic.

### raw.items

Rows of a test.

- Grain: one row per id
- Key: id
- Read by: marts.x

| Column | Type | Meaning |
|---|---|---|
| id | INTEGER | the item |
| size | INTEGER | its size |

## marts

What the product promises: stable names and columns.

### marts.x

Rows of a test.

- Grain: one row per id
- Key: id
- Built as: table
- Incremental by: id
- Reads: raw.items
- Read by: own.y
- Decision: [why-x](../DECISIONS.md#why-x)

| Column | Type | Meaning |
|---|---|---|
| id | BIGINT | this \\| that |

Checks:
- key [id] is unique (fail)
- id is not null (fail)
- small (warn)

Cases:
- an item stays

## own

### own.y

Rows of a test.

- Grain: one row per id
- Key: id
- Built as: view
- Reads: marts.x

| Column | Type | Meaning |
|---|---|---|
| id | BIGINT | the item |

Checks:
- key [id] is unique (fail)
"""


def test_the_page(project: Project) -> None:
    path = project.write(
        "marts.x",
        "SELECT\n  CAST(i.id AS BIGINT) AS id -- this | that\nFROM raw.items AS i\n",
        "incremental: [id]\ndecision: why-x\nchecks: [{name: small, level: warn, sql: SELECT id FROM marts.x}]\n",
    )
    path.with_name("x.test.yaml").write_text("cases: [{name: an item stays, expect: []}]", encoding="utf-8")
    project.write(
        "own.y", "SELECT\n  CAST(x.id AS BIGINT) AS id -- the item\nFROM marts.x AS x\n", "materialized: view\n"
    )
    assert models_markdown(project.models()) == PAGE
