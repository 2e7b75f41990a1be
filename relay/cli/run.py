"""`relay run`: the daemon in the foreground."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop

from relay import __version__
from relay.app import Relay
from relay.cli.common import config_options, required_dsn, secret_box
from relay.config import ConfigError, LoadedSettings, changed_needing_restart, load
from relay.embedded.errors import EmbeddedError
from relay.embedded.key import ensure_key_file, key_path
from relay.embedded.location import default_data_dir
from relay.embedded.postgres import EmbeddedPostgres
from relay.observe import systemd
from relay.observe.logs import configure, get_logger, written_by_a_thread
from relay.process import keep_memory_private
from relay.store import migrate

log = get_logger()


class PendingMigrations(click.ClickException):
    """The database is not at the schema of this version; a person has to decide."""

    exit_code = 3


@click.command()
@config_options
@click.option(
    "--embedded", is_flag=True, help="Run on an embedded PostgreSQL of its own, migrated by itself."
)
@click.option("--until-idle", is_flag=True, help="End when nothing is fresh, in flight or due.")
def run(*, config: Path | None, dsn: str | None, embedded: bool, until_idle: bool) -> None:
    """Run the relay: deliver what applications commit, until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again, and keeps the old one if anything is wrong with the new.
    """
    keep_memory_private()
    daemon = Daemon(config=config, dsn=dsn, embedded=embedded)
    daemon.run(until_idle=until_idle)


class Daemon:
    """One process: configuration, embedded database, signals, and the relay inside.

    Args:
        config: The file named on the command line.
        dsn: The database named on the command line.
        embedded: Whether to bring a database along.
    """

    def __init__(self, *, config: Path | None, dsn: str | None, embedded: bool) -> None:
        self._config = config
        self._dsn = dsn
        self._embedded = embedded
        self._server: EmbeddedPostgres | None = None
        self._loaded = self._load()

    def run(self, *, until_idle: bool) -> None:
        """Run to the end.

        Raises:
            ConfigError: The configuration is wrong.
            PendingMigrations: The schema is not this version's.
            DatabaseAway: There is no database.
        """
        log_settings = self._loaded.settings.log
        configure(log_settings.level, log_settings.format)
        log.info("relay.starting", version=__version__, pid=os.getpid())
        try:
            with self._database() as dsn, written_by_a_thread():
                configure(log_settings.level, log_settings.format)
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(self._serve(dsn, until_idle=until_idle))
        except Exception as error:
            log.error("relay.failed", detail=str(error) or type(error).__name__)  # noqa: TRY400 - told in full below
            raise

    def _load(self) -> LoadedSettings:
        return load(self._config, {"database.dsn": self._dsn})

    @contextmanager
    def _database(self) -> Iterator[str]:
        """Give the database; an embedded one lives as long as the block."""
        settings = self._loaded.settings
        if not self._embedded:
            yield required_dsn(settings)
            return
        data_dir = settings.embedded.data_dir or default_data_dir()
        with EmbeddedPostgres(data_dir, bindir=settings.embedded.bindir) as server:
            self._server = server
            ensure_key_file(key_path(data_dir))
            log.info("embedded.started", data_dir=str(data_dir), pid=server.pid)
            yield server.dsn
        log.info("embedded.stopped", data_dir=str(data_dir))

    async def _serve(self, dsn: str, *, until_idle: bool) -> None:
        await self._prepare(dsn)
        stop = asyncio.Event()
        box = secret_box(self._loaded.settings, is_embedded=self._embedded)
        relay = Relay(self._loaded.settings, dsn=dsn, box=box, stop=stop, until_idle=until_idle)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, relay)
        with self._death_watch(stop):
            await relay.run()
        if self._server is not None and self._server.process.poll() is not None:
            raise EmbeddedError(
                f"the embedded PostgreSQL ended by itself; its log says why: {self._server.data_dir}.log"
            )

    @contextmanager
    def _death_watch(self, stop: asyncio.Event) -> Iterator[None]:
        """Stop when the embedded server ends: it is our child, and nobody else would start it again."""
        if self._server is None:
            yield
            return
        loop = asyncio.get_running_loop()
        watched = os.pidfd_open(self._server.pid)
        loop.add_reader(watched, stop.set)
        try:
            yield
        finally:
            loop.remove_reader(watched)
            os.close(watched)

    async def _prepare(self, dsn: str) -> None:
        """Migrate an embedded database; of another one, check that its schema is right."""
        if self._embedded:
            for migration in await migrate.up(dsn):
                log.info("schema.migrated", version=migration.version)
            return
        verdict = await migrate.check(dsn)
        if verdict.kind == "pending":
            raise PendingMigrations(verdict.message)
        if not verdict.is_ok:
            raise click.ClickException(verdict.message)

    def _reload(self, relay: Relay) -> None:
        systemd.reloading()
        try:
            new = self._load()
        except (ConfigError, OSError) as error:
            relay.refuse_reload()
            problems = error.problems if isinstance(error, ConfigError) else (str(error),)
            log.error(  # noqa: TRY400 - a person made a slip: no traceback
                "config.rejected", problems=list(problems)
            )
        else:
            self._take_over(new, relay)
        systemd.ready()

    def _take_over(self, new: LoadedSettings, relay: Relay) -> None:
        needs_restart = changed_needing_restart(self._loaded.settings, new.settings)
        self._loaded = new
        configure(new.settings.log.level, new.settings.log.format)
        relay.reload(new.settings, secret_box(new.settings, is_embedded=self._embedded))
        log.info("config.reloaded", needs_restart=list(needs_restart))
