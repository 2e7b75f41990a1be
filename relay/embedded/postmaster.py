from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """What a server wrote about itself in `postmaster.pid`.

    Attributes:
        pid: its process.
        socket_dir: the folder of its socket, or None if it has none yet.
        status: `starting`, `ready`, `stopping`, or empty.
    """

    pid: int
    socket_dir: Path | None
    status: str


def read_postmaster(data_dir: Path) -> Postmaster | None:
    """Read `postmaster.pid`, or None if there is none; the server may be long dead.

    The lines: pid, data directory, start, port, socket folder, address, shared memory key, status.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    lines += [""] * (8 - len(lines))
    if not lines[0].strip().isdigit():
        return None
    return Postmaster(
        pid=int(lines[0]),
        socket_dir=Path(lines[4].strip()) if lines[4].strip() else None,
        status=lines[7].strip(),
    )


def dsn_of(socket_dir: Path, database: str = "relay") -> str:
    """Return the connection string of the server whose socket is in `socket_dir`, for asyncpg and libpq."""
    return f"postgresql://postgres@/{database}?host={socket_dir}&port=5432"


def is_server(pid: int, data_dir: Path) -> bool:
    """Say whether a living process is a PostgreSQL process of this data directory.

    All of them work in it, so a recycled pid does not pass.
    """
    process = Path("/proc") / str(pid)
    try:
        inside = (process / "cwd").samefile(data_dir)
        return inside and (process / "comm").read_text(encoding="utf-8").strip() == "postgres"
    except OSError:
        return False


def servers_in(data_dir: Path) -> list[int]:
    """List the living PostgreSQL processes of this data directory, the postmaster and its children."""
    processes = (path.name for path in Path("/proc").iterdir())
    return [int(name) for name in processes if name.isdigit() and is_server(int(name), data_dir)]


def running(data_dir: Path) -> Postmaster | None:
    """Return the living postmaster of this data directory, whatever its status, or None."""
    found = read_postmaster(data_dir)
    return found if found is not None and is_server(found.pid, data_dir) else None
