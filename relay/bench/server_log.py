"""How long the server took for the relay's statements, by its own log."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from relay.bench.load import Connection
from relay.embedded.serverlog import log_file

OPTIONS = {"log_line_prefix": "%n [%p] %q%d|%a|%i "}
"""Settings of the server whose log can be read: time, process, database, session, what it is doing."""
LINE = re.compile(
    r"(?P<at>[\d.]+) \[(?P<pid>\d+)\] (?P<database>[^|]*)\|relay (?P<session>[^|]*)\|(?P<step>[A-Z ]*)"
    r" LOG:  duration: (?P<ms>[\d.]+) ms"
)
BEFORE = ("PARSE", "BIND")
"""What a statement begins with; its time is added to that of the execution."""
SWITCH_ON = """
do $$
begin
  execute format('alter role %I in database %I set log_duration = on', 'postgres', current_database());
end
$$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One statement of the relay.

    Attributes:
        session: Which of its sessions sent it: look, fan-out, claim, record, listener, admin.
        began: Epoch seconds at which the server began with it.
        ms: What it took, parsing and planning included.
    """

    session: str
    began: float
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLog:
    """What the server writes down of the relay's statements in one database.

    Attributes:
        path: The server's log.
        database: Whose statements count.
        start: Where in the file it begins.
    """

    path: Path
    database: str
    start: int

    @classmethod
    async def begin(cls, data_dir: Path, connection: Connection) -> Self:
        """Let the server log how long statements take, in sessions that this database gets from now on."""
        await connection.execute(SWITCH_ON)
        path = log_file(data_dir)
        database = await connection.fetchval("select current_database()")
        return cls(path=path, database=database, start=path.stat().st_size)

    def statements(self) -> list[Logged]:
        """Return the statements that have ended so far, in the order in which they did."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return list(read_log(file.read().decode("utf-8", "replace").splitlines(), self.database))


def read_log(lines: Iterable[str], database: str) -> Iterator[Logged]:
    """Put together the steps of each statement of the relay."""
    begun: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        found = LINE.match(line)
        if found is None or found["database"] != database:
            continue
        begun[found["pid"]] += float(found["ms"])
        if found["step"] not in BEFORE:
            ms = begun.pop(found["pid"])
            yield Logged(session=found["session"], began=float(found["at"]) - ms / 1000, ms=ms)
