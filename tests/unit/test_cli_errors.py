"""What each failure says to the person, and the exit code it ends with."""

import asyncpg
import click
import pytest

from relay.admin.operations.errors import InvalidInput, NotFound, Refused
from relay.cli.errors import conclusion_of
from relay.config_sources import ConfigError
from relay.store.session import DatabaseAway


def away(cause: Exception) -> DatabaseAway:
    error = DatabaseAway("the connection broke")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NotFound("there is no endpoint 7"), 1, "there is no endpoint 7"),
        (Refused("it is in flight"), 1, "it is in flight"),
        (InvalidInput("timeout must be more than 0"), 2, "timeout must be more than 0"),
        (ConfigError(("a", "b")), 78, "a\nb"),
        (away(OSError()), 69, "the database cannot be reached"),
        (
            away(asyncpg.ClientConfigurationError("bad sslmode")),
            78,
            "database.dsn cannot be used: bad sslmode",
        ),
        (asyncpg.InvalidPasswordError("password failed"), 69, "check database.dsn"),
        (asyncpg.UndefinedTableError("no relay.endpoint"), 3, "run `relay migrate up`"),
        (asyncpg.InsufficientPrivilegeError("permission denied"), 1, "connect as a role that may"),
        (asyncpg.DivisionByZeroError("division by zero"), 1, "division by zero"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
    ],
)
def test_each_failure_has_a_message_and_a_code(error: BaseException, code: int, said: str) -> None:
    conclusion = conclusion_of(error)
    assert conclusion is not None
    assert conclusion.code == code
    assert said in "\n".join(conclusion.lines)


def test_a_mistake_in_the_code_is_not_explained_away() -> None:
    assert conclusion_of(AttributeError("no such thing")) is None
