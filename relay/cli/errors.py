"""The border of the command line: what an exception says to the person, and the exit code it ends with."""

import os
import sys
from dataclasses import dataclass

import asyncpg
import click

from relay.admin.operations.errors import InvalidInput, OperationError
from relay.config_sources import ConfigError
from relay.embedded.errors import EmbeddedError
from relay.observe.health import CannotListen
from relay.store.migrate import MigrationError, UnsupportedServer
from relay.store.session import DatabaseAway, ValueRefused

FAILED = 1
USAGE = 2
NEEDS_ACTION = 3
UNREACHABLE = 69
CONFIGURATION = 78
INTERRUPTED = 130
PIPE_CLOSED = 141

_NO_LOGIN = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
_NO_SCHEMA = (
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """How a command that failed ends: what is printed to standard error, and the exit code."""

    lines: tuple[str, ...]
    code: int


def conclude(error: BaseException) -> int | None:
    """Tell the person why the command failed and return the exit code; None if it was not foreseen."""
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has seen enough; the interpreter's own last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    conclusion = conclusion_of(error)
    if conclusion is None:
        return None
    for line in conclusion.lines:
        click.echo(f"relay: {line}", err=True)
    return conclusion.code


def conclusion_of(error: BaseException) -> Conclusion | None:  # noqa: PLR0911 - one line for each kind of failure
    """Return how a command ends that failed with this exception, or None if that is a mistake in the code."""
    match error:
        case KeyboardInterrupt() | click.Abort():
            return Conclusion(lines=(), code=INTERRUPTED)
        case InvalidInput():
            return Conclusion(lines=(str(error),), code=USAGE)
        case OperationError() | MigrationError() | UnsupportedServer() | EmbeddedError() | CannotListen():
            return Conclusion(lines=(str(error),), code=FAILED)
        case ConfigError():
            return Conclusion(lines=error.problems, code=CONFIGURATION)
        case DatabaseAway() if isinstance(error.__cause__, asyncpg.ClientConfigurationError):
            return Conclusion(lines=(f"database.dsn cannot be used: {error.__cause__}",), code=CONFIGURATION)
        case ValueRefused():
            return Conclusion(lines=(f"a value cannot be used: {error}",), code=USAGE)
        case DatabaseAway():
            return Conclusion(lines=(_away(error),), code=UNREACHABLE)
        case asyncpg.PostgresError():
            return _refused_by_server(error)
    return None


def _away(error: DatabaseAway) -> str:
    if isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
        return "the database is read-only: connect to the primary, or to a role that may write"
    return (
        f"the database cannot be reached, or did not answer in time ({error}); "
        "check that PostgreSQL runs and that database.dsn or --dsn is right"
    )


def _refused_by_server(error: asyncpg.PostgresError) -> Conclusion:
    message, hint = str(error.args[0]), getattr(error, "hint", None)
    if isinstance(error, _NO_LOGIN):
        return Conclusion(
            lines=(f"the database refuses us: {message}; check database.dsn",), code=UNREACHABLE
        )
    if isinstance(error, _NO_SCHEMA):
        line = f"the database has no schema for this version of Relay ({message}); run `relay migrate up`"
        return Conclusion(lines=(line,), code=NEEDS_ACTION)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        line = f"{message}; connect as a role that may, such as Relay's own or the schema's owner"
        return Conclusion(lines=(line,), code=FAILED)
    return Conclusion(lines=(f"{message}; {hint}" if hint else message,), code=FAILED)
