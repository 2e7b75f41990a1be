"""The SQL of the product, one statement a file, loaded by name."""

from functools import cache

from relay.shipped_files import shipped


@cache
def query(name: str) -> str:
    """Return the statement in `sql/queries/NAME.sql`.

    Raises:
        FileNotFoundError: There is no such statement; a slip in the code, since names are literals.
    """
    return (shipped("sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
