import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from relay.cli.common import confirm
from relay.embedded import (
    AlreadyRunning,
    EmbeddedError,
    EmbeddedPostgres,
    default_data_dir,
    reset,
    running_dsn,
)
from relay.embedded.binaries import find_tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which embedded PostgreSQL the commands are about."""

    data_dir: Path
    bindir: Path | None


@click.group()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="RELAY_EMBEDDED__DATA_DIR",
    help="Its data directory, instead of the default one.",
)
@click.option(
    "--bindir",
    type=click.Path(path_type=Path),
    envvar="RELAY_EMBEDDED__BINDIR",
    help="The folder of PostgreSQL's programs, instead of the wheel's or Debian's.",
)
@click.pass_context
def embedded(context: click.Context, data_dir: Path | None, bindir: Path | None) -> None:
    """Work with the embedded PostgreSQL."""
    context.obj = Place(data_dir=data_dir or default_data_dir(), bindir=bindir)


@embedded.command("dsn")
@click.pass_obj
def dsn_command(place: Place) -> None:
    """Print the connection string of the running server."""
    with _errors_told():
        dsn = running_dsn(place.data_dir)
    if dsn is None:
        raise click.ClickException(
            f"no embedded PostgreSQL runs on {place.data_dir}:"
            " start one with `relay run --embedded`, or use `relay embedded psql`"
        )
    click.echo(dsn)


@embedded.command("psql", context_settings={"ignore_unknown_options": True})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def psql_command(place: Place, args: tuple[str, ...]) -> None:
    """Open psql, with ARGS of its own; start the server for as long as that takes if it is not running."""
    with _errors_told():
        psql = find_tool("psql", place.bindir)
        dsn = running_dsn(place.data_dir)
        if dsn is not None:
            os.execv(psql, ["psql", "--dbname", dsn, *args])  # noqa: S606 - no shell is wanted
        with _server(place) as dsn:
            status = _call([str(psql), "--dbname", dsn, *args])
    raise SystemExit(status)


@embedded.command("dump")
@click.option(
    "--file", "target", type=click.Path(path_type=Path), help="Write to this file, not to standard output."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["plain", "custom"]),
    default="plain",
    show_default=True,
    help="SQL, for `relay embedded psql --file`, or pg_restore's own.",
)
@click.pass_obj
def dump_command(place: Place, target: Path | None, form: str) -> None:
    """Dump the database `relay`."""
    with _errors_told():
        if not (place.data_dir / "PG_VERSION").exists():
            raise click.ClickException(f"there is no database in {place.data_dir}: nothing to dump")
        pg_dump = find_tool("pg_dump", place.bindir)
        with _server(place) as dsn:
            file = [] if target is None else ["--file", str(target)]
            status = _call([str(pg_dump), "--dbname", dsn, "--format", form, *file])
    raise SystemExit(1 if status else 0)


@embedded.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset_command(place: Place, *, yes: bool) -> None:
    """Delete the data directory, with every event and delivery in it."""
    confirm(f"Delete {place.data_dir} and all data in it?", yes=yes)
    with _errors_told():
        reset(place.data_dir)
    click.echo(f"deleted {place.data_dir}", err=True)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error
    except PermissionError as error:
        raise click.ClickException(f"{error}: run as the owner of the data directory or as root") from error


@contextmanager
def _server(place: Place) -> Iterator[str]:
    """Use the running server, or one of our own for the duration."""
    dsn = running_dsn(place.data_dir)
    if dsn is not None:
        yield dsn
        return
    server = EmbeddedPostgres(place.data_dir, bindir=place.bindir)
    try:
        server.start()
    except AlreadyRunning as error:  # it was started meanwhile
        if error.dsn is None:
            raise
        yield error.dsn
        return
    try:
        yield server.dsn
    finally:
        server.stop()


def _call(argv: list[str]) -> int:
    """Run a client to its end; Ctrl-C is its own matter, and must not end our server under it."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        return subprocess.call(argv)  # noqa: S603 - a client of PostgreSQL, no shell
    finally:
        signal.signal(signal.SIGINT, before)
