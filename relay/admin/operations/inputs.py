"""Values that an operation is given, refused with a reason before or after the database has seen them."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from relay.admin.operations.errors import InvalidInput

MAX_NAME = 255
"""The longest tenant, key or type, in characters; what relay.outbox checks."""


def checked_text(name: str, value: str, longest: int = MAX_NAME) -> str:
    """Return a text that PostgreSQL can store.

    Raises:
        InvalidInput: It is too long, or has characters that cannot be stored.
    """
    if len(value) > longest:
        raise InvalidInput(f"{name} is {len(value)} characters long; at most {longest} are allowed")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInput(f"{name} is not UTF-8 text without NUL characters; remove what is not")
    return value


def check_texts(values: object, *names: str) -> None:
    """Refuse an object of which one of these attributes is a text that PostgreSQL cannot store; None is none.

    Raises:
        InvalidInput: One of them is.
    """
    for name in names:
        value = getattr(values, name)
        if value is not None:
            checked_text(name, value)


@contextmanager
def refused_by_database() -> Iterator[None]:
    """Turn the database's refusal of a value into InvalidInput, with its hint."""
    try:
        yield
    except (
        asyncpg.CheckViolationError,
        asyncpg.UniqueViolationError,
        asyncpg.exceptions.DataError,
    ) as error:
        parts = (error.args[0], getattr(error, "detail", None), getattr(error, "hint", None))
        raise InvalidInput("; ".join(str(part).rstrip(".") for part in parts if part)) from error
