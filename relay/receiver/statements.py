"""The inbox's SQL, from the files beside this one."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """Return the statement of `sql/queries/NAME.sql`."""
    return (FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")
