"""What the demo stands on: a throw-away folder, a PostgreSQL in it, and the commands to look around."""

import os
import shutil
import sys
from pathlib import Path

from relay.demo.harm import wanted_harm
from relay.demo.picture import Hint
from relay.demo.places import DATA, reserved_port, throw_away_folder
from relay.demo.report import Report
from relay.demo.screen import say
from relay.demo.show import Plan, Show
from relay.demo.stops import Stops
from relay.embedded import EmbeddedPostgres

HEALTH_PORT = 9420
ADMIN_PORT = 8420
THROW_AWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""The database does not outlive the demo, so it need not reach the disk."""


async def demonstrate(plan: Plan) -> Report:
    """Run a demo from nothing to nothing, and return what there is to say about it.

    It runs in the main thread: when that ends, the kernel ends PostgreSQL and the relay.

    Raises:
        EmbeddedError: PostgreSQL cannot be started.
        UnknownHarm: RELAY_DEMO_HARM is wrong.
    """
    harm = wanted_harm()
    stops = Stops()
    stops.listen()
    with throw_away_folder() as folder:
        say(f"Starting PostgreSQL and a relay in {folder} ...")
        data_dir = folder / DATA
        with (
            EmbeddedPostgres(data_dir, bindir=plan.bindir, options=THROW_AWAY) as server,
            reserved_port(HEALTH_PORT) as port,
            reserved_port(ADMIN_PORT) as admin_port,
        ):
            log = folder / "relay.log"
            show = Show(
                plan=plan,
                dsn=server.dsn,
                log=log,
                port=port,
                admin_port=admin_port,
                hints=_hints(data_dir, log, port),
                stops=stops,
                harm=harm,
            )
            return await show.run()


def _hints(data_dir: Path, log: Path, port: int) -> tuple[Hint, ...]:
    taken = "" if port == HEALTH_PORT else f"({HEALTH_PORT} is taken)"
    return (
        Hint(name="SQL", command=f"{_own_command()} embedded --data-dir {data_dir} psql"),
        Hint(name="log", command=f"tail -f {log}"),
        Hint(name="health", command=f"curl http://127.0.0.1:{port}/readyz", note=taken),
    )


def _own_command() -> str:
    """Return how a person types `relay` here."""
    program = Path(sys.executable).with_name("relay")
    if shutil.which("relay") == str(program):
        return "relay"
    if not program.exists():
        return f"{sys.executable} -m relay"
    here = Path.cwd()
    return os.path.relpath(program, here) if program.is_relative_to(here) else str(program)
