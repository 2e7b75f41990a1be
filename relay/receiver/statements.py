"""The inbox's SQL, from the files beside this one."""

from functools import cache
from pathlib import Path

PLANS = {"plan_cache_mode": "force_custom_plan"}
"""Settings of each session that runs them: an inbox begins empty and may fill within a second, and a plan that was made
while it was would go on reading all of it until the next analyze, with senders waiting. Planning anew costs less."""
FOLDER = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """Return the statement of `sql/queries/NAME.sql`."""
    return (FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")
