"""What the commands share: options, configuration, the database session, and asking before harm is done."""

import asyncio
import functools
import os
import pwd
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import click

from relay.config import ConfigError, Settings, load
from relay.embedded import default_data_dir, running_dsn
from relay.embedded.key import read_key
from relay.store.dsn import UnusableDsn, exposed_hosts
from relay.store.secrets import SecretBox
from relay.store.session import Session

OutputFormat = Literal["table", "json", "jsonl"]
Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")

_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:[0-9]+)?")
_NO_DSN = (
    "database.dsn is not set, and no embedded PostgreSQL runs: give --dsn, set RELAY_DATABASE__DSN, "
    "or write it into the configuration file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a command works with: the settings, and the way to the database.

    Attributes:
        settings: The whole configuration.
        dsn: Where the database is.
        actor: Who acts, as the audit has it: "cli:" and the name of the user of the operating system.
    """

    settings: Settings
    dsn: str
    actor: str

    @property
    def box(self) -> SecretBox:
        """What opens and seals the endpoints' secrets."""
        embedded = running_dsn(self.settings.embedded.data_dir or default_data_dir())
        return secret_box(self.settings, is_embedded=self.dsn == embedded)

    def run(self, work: Callable[[Session], Awaitable[Result]], *, timeout: float = 30.0) -> Result:
        """Open a session, do the work with it, close it, and return what the work returned.

        Args:
            work: Gets the session.
            timeout: Seconds that each statement may take.

        Raises:
            DatabaseAway: The database cannot be reached.
        """
        return run_async(self._with_session(work, timeout))

    async def _with_session(self, work: Callable[[Session], Awaitable[Result]], limit: float) -> Result:
        session = Session(self.dsn, name="command line", timeout=limit)
        try:
            return await work(session)
        finally:
            await session.close()


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end on an event loop of its own; Ctrl-C cancels it and raises KeyboardInterrupt."""
    with asyncio.Runner() as runner:
        return runner.run(work)


def config_options(command: Function) -> Function:
    """Give a command `--config` and `--dsn`, as parameters `config` (Path | None) and `dsn` (str | None)."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The TOML file; else $RELAY_CONFIG, else /etc/relay/config.toml.",
    )
    dsn = click.option("--dsn", metavar="URL", help="The database, instead of the configured one.")
    return config(dsn(command))


def with_access(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command `--config` and `--dsn`, and as its first argument the `Access` that they lead to."""

    @functools.wraps(command)
    def with_options(*args: Any, config: Path | None, dsn: str | None, **kwargs: Any) -> Result:
        settings = load_settings(config, dsn)
        access = Access(settings=settings, dsn=required_dsn(settings), actor=current_actor())
        return command(access, *args, **kwargs)

    return config_options(with_options)


def load_settings(config: Path | None, dsn: str | None) -> Settings:
    """Return the configuration with what the options say.

    Raises:
        ConfigError: Anything in it is wrong.
    """
    return load(config, {"database.dsn": dsn}).settings


def required_dsn(settings: Settings) -> str:
    """Return where the database is: the configured one, else the embedded one if it runs.

    Raises:
        ConfigError: The configuration does not say, and none runs.
    """
    dsn = settings.database.dsn.get_secret_value()
    if dsn:
        _check_hosts(dsn)
        if not settings.database.allow_plaintext:
            check_tls("database.dsn", dsn)
        return dsn
    embedded = running_dsn(settings.embedded.data_dir or default_data_dir())
    if embedded is None:
        raise ConfigError((_NO_DSN,))
    return embedded


def _check_hosts(dsn: str) -> None:
    """Refuse what the driver would stumble over without a word about the DSN: a port that is no number."""
    hosts = urlsplit(dsn).netloc.rpartition("@")[2]
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise ConfigError((f"database.dsn has a host that cannot be read: {hosts}; write HOST or HOST:PORT",))


def check_tls(key: str, dsn: str) -> None:
    """Refuse a database across a network without verified TLS.

    Raises:
        ConfigError: It is one, or cannot be used at all.
    """
    try:
        exposed = exposed_hosts(dsn)
    except UnusableDsn as error:
        raise ConfigError((f"{key} cannot be used: {error}",)) from error
    if exposed:
        problem = (
            f"{key} leads over a network to {', '.join(exposed)} without verified TLS: add "
            "?sslmode=verify-full (with sslrootcert=FILE if its authority is your own), or set "
            "database.allow_plaintext = true if nobody else can be on the way"
        )
        raise ConfigError((problem,))


def secret_box(settings: Settings, *, is_embedded: bool) -> SecretBox:
    """Return what opens and seals secrets: the configured master keys, and of an embedded database its own.

    Raises:
        ConfigError: The embedded database's key cannot be read.
    """
    keys = [key.get_secret_value() for key in settings.security.master_key]
    if is_embedded:
        try:
            own = read_key(settings.embedded.data_dir or default_data_dir())
        except (OSError, ValueError) as error:
            raise ConfigError((f"the embedded database's master key cannot be read: {error}",)) from error
        keys += [] if own is None else [own]
    return SecretBox(keys)


def current_actor() -> str:
    """Return who acts, for the audit: "cli:" and the name of the user, or its number if it has none."""
    number = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"cli:{number}"


def output_option(*, piped: OutputFormat = "json") -> Callable[[Function], Function]:
    """Give a command `-o/--output`, as its parameter `output`: a table on a terminal, else `piped`."""

    def chosen(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
        return value or ("table" if sys.stdout.isatty() else piped)

    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "jsonl"]),
        callback=chosen,
        help=f"Default: table on a terminal, else {piped}.",
    )


yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; return only if it is to be done.

    Raises:
        click.UsageError: Nobody is there to ask.
        click.ClickException: The answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is there to answer; add --yes to do it.")
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was changed")


def say(message: str) -> None:
    """Tell the person something that is not data: on standard error."""
    click.echo(message, err=True)
