"""Runs SQL files with psql, as an administrator does."""

import subprocess

from tests.support.postgres import installed_bindirs


def psql(dsn: str, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script with PostgreSQL 18's psql; the caller looks at the return code."""
    program = installed_bindirs()["wheel"] / "psql"
    return subprocess.run(
        [program, "--no-psqlrc", "--quiet", f"--dbname={dsn}"],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
