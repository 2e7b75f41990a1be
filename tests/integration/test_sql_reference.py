"""docs/reference/sql.md says what a migrated database has."""

import re

import pytest

from tests.support.reference import REFERENCE
from tests.support.reference_sql import columns_of, render_sql


def test_the_reference_of_the_tables_is_what_the_database_says(database: str) -> None:
    assert (REFERENCE / "sql.md").read_text(encoding="utf-8") == render_sql(columns_of(database)), (
        "run `make schema`"
    )


def test_a_column_without_a_meaning_is_noticed(database: str) -> None:
    columns = columns_of(database)
    columns["backlog"].append(("colour", "text", None))

    with pytest.raises(ValueError, match=re.escape("relay.backlog differ: {'colour'}")):
        render_sql(columns)
