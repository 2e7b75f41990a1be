"""`python -m tests.support.schema_dump` writes sql/schema.sql: what the migrations add up to, for reading.

Dumped by PostgreSQL 18, without the day partitions of the delivery log and what differs from run to run.
"""

import re
import subprocess
from contextlib import closing
from pathlib import Path

from tests.support.database import Databases
from tests.support.postgres import installed_bindirs, throwaway_postgres

SCHEMA_FILE = Path(__file__).parents[2] / "sql" / "schema.sql"
_HEADER = """\
-- Relay's schema as the migrations leave it, to be read: `make schema` writes it, nothing runs it.
-- The day partitions of relay.attempt are left out.
"""
_NOISE = re.compile(
    r"^(--|\\(un)?restrict .*|SET .*;|SELECT pg_catalog\.set_config.*"
    r"|-- Dumped .*|-- PostgreSQL database dump.*)\n",
    re.MULTILINE,
)


def dump(dsn: str) -> str:
    """Return the schema of a database as SQL text, the same each time."""
    pg_dump = installed_bindirs()["wheel"] / "pg_dump"
    options = ["--schema-only", "--schema=relay", "--no-owner", "--no-privileges", "-T", "relay.attempt_2*"]
    done = subprocess.run(
        [pg_dump, *options, f"--dbname={dsn}"], capture_output=True, text=True, check=True, timeout=60
    )
    text = _NOISE.sub("", done.stdout).replace("; Owner: -\n", "\n")
    return _HEADER + "\n" + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main() -> None:
    """Migrate a throw-away database and write its schema into the checkout."""
    with (
        throwaway_postgres(installed_bindirs()["wheel"]) as server,
        closing(Databases(server.dsn)) as databases,
        databases.fresh() as dsn,
    ):
        SCHEMA_FILE.write_text(dump(dsn), encoding="utf-8")


if __name__ == "__main__":
    main()
