"""Publish events in your own transaction. Needs only the standard library; this one file may be copied.

    from relay.client import publish

    with connection.transaction():
        connection.execute("UPDATE invoices SET paid = true WHERE id = %s", [42])
        event_id = publish(connection, "invoice.paid", {"id": 42}, ordering_key="invoice:42")

It takes connections of asyncpg, psycopg 2 and 3, SQLAlchemy and Django, and SQLAlchemy's sessions. What is
asynchronous gives something to await: `event_id = await publish(connection, ...)`.

It runs one statement on that connection and does nothing else: it opens no transaction, commits nothing and
changes no setting. Whoever began the transaction ends it, and the event with it. **On a connection in autocommit
without a transaction the event is committed at once**, as any statement is there.
"""

import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload
from uuid import UUID

__all__ = ["Options", "cancel", "publish"]

# Everything goes as text and is cast by the server: so it neither matters how a driver writes a type, nor which
# codecs, adapters and row types the application has set on its connection.
_PUBLISH = """
select cast(relay.publish(
  event_type => cast(%(event_type)s as text),
  payload => cast(cast(%(payload)s as text) as json),
  id => cast(cast(%(id)s as text) as uuid),
  tenant => coalesce(cast(%(tenant)s as text), ''),
  ordering_key => cast(%(ordering_key)s as text),
  sequence => cast(cast(%(sequence)s as text) as bigint),
  endpoint_id => cast(cast(%(endpoint_id)s as text) as uuid),
  headers => cast(cast(%(headers)s as text) as json),
  deliver_at => cast(cast(%(deliver_at)s as text) as timestamptz),
  expires_at => cast(cast(%(expires_at)s as text) as timestamptz),
  dedupe_key => cast(%(dedupe_key)s as text),
  traceparent => cast(%(traceparent)s as text)
) as text)
"""
_CANCEL = "select relay.cancel(cast(cast(%(event_id)s as text) as uuid))"

_Values = dict[str, str | None]
_T = TypeVar("_T")
_Read = Callable[[Any], _T]


class Options(TypedDict, total=False):
    """What an event may have beside its type and its payload; None is as if it were left out.

    Attributes:
        id: The event's id, if it is not to be random.
        tenant: Only endpoints of the same tenant get it; `""` is a tenant like any other.
        ordering_key: Endpoints that ask for order get the events of one key one after the other.
        sequence: The application's own version number, for receivers.
        endpoint_id: Only this endpoint gets it.
        headers: Further headers of the request.
        deliver_at: Not before; with a time zone.
        expires_at: No attempt after it; with a time zone.
        dedupe_key: At most one event of it in a tenant: a second one is not stored, and the first one's id is
            returned.
        traceparent: W3C trace context, as received.
    """

    id: UUID | str | None
    tenant: str | None
    ordering_key: str | None
    sequence: int | None
    endpoint_id: UUID | str | None
    headers: Mapping[str, str] | None
    deliver_at: datetime | None
    expires_at: datetime | None
    dedupe_key: str | None
    traceparent: str | None


class _Asynchronous(Protocol):
    """What is asynchronous is also closed so: that tells type checkers which result it gives."""

    def close(self) -> Coroutine[Any, Any, None]: ...


class _Synchronous(Protocol):
    def close(self) -> None: ...


@overload
def publish(
    connection: _Asynchronous, event_type: str, payload: Any, **options: Unpack[Options]
) -> Coroutine[Any, Any, UUID]: ...
@overload
def publish(connection: _Synchronous, event_type: str, payload: Any, **options: Unpack[Options]) -> UUID: ...
def publish(connection: Any, event_type: str, payload: Any, **options: Unpack[Options]) -> Any:
    """Insert one event in the connection's transaction and return its id; await it where that is asynchronous.

    Args:
        connection: What the transaction is on: a connection of asyncpg, psycopg 2 or 3, SQLAlchemy (also
            asynchronous, also a session) or Django. No pool, no engine, no cursor.
        event_type: A dotted name, `invoice.paid`.
        payload: What is sent. `str`, `bytes` and `bytearray` are JSON that is ready (in UTF-8) and are sent byte
            for byte; anything else is written as compact JSON: a dict, a list, a number, a bool, None. To send
            one text alone, give `json.dumps(text)`.
        options: See `Options`.

    Raises:
        TypeError: An argument is unknown or of a type that is not taken; nothing was sent to the database.
        ValueError: An argument cannot be written as JSON or as text, is no UUID, or a time has no time zone;
            nothing was sent to the database.
        Exception: The driver's own, for whatever the database refuses (docs/publishing.md lists it); as always
            in PostgreSQL, the transaction can then only be rolled back.
    """
    unknown = sorted(options.keys() - _OPTIONS.keys())
    if unknown:
        raise TypeError(f"publish() has no option {unknown[0]!r}; it has {', '.join(_OPTIONS)}")
    values: _Values = {"event_type": _text("event_type", event_type), "payload": _payload(payload)}
    given: Mapping[str, object] = options
    for name, write in _OPTIONS.items():
        value = given.get(name)
        values[name] = None if value is None else write(name, value)
    return _driver_of(connection)(connection, _PUBLISH, values, UUID)


@overload
def cancel(connection: _Asynchronous, event_id: UUID | str) -> Coroutine[Any, Any, None]: ...
@overload
def cancel(connection: _Synchronous, event_id: UUID | str) -> None: ...
def cancel(connection: Any, event_id: UUID | str) -> Any:
    """Withdraw an event when the connection's transaction commits; await it where that is asynchronous.

    What has not been sent by then is not sent. It says nothing of whether there is such an event.

    Raises:
        TypeError: The connection or the id is of a type that is not taken.
        ValueError: The id is no UUID.
    """
    return _driver_of(connection)(connection, _CANCEL, {"event_id": _uuid("event_id", event_id)}, _nothing)


def _nothing(_: object) -> None:
    """A function without a result still gives a row."""


# Drivers: none is imported here, since whoever has its connection has imported it.


async def _asyncpg(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    numbered = statement % {name: f"${number}" for number, name in enumerate(values, 1)}
    return read(await connection.fetchval(numbered, *values.values()))


def _psycopg2(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    # Not the connection's own kind of cursor, whose rows may be something else than tuples.
    with connection.cursor(cursor_factory=sys.modules["psycopg2.extensions"].cursor) as cursor:
        cursor.execute(statement, values)
        return read(cursor.fetchone()[0])


def _psycopg(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    psycopg = sys.modules["psycopg"]
    with psycopg.Cursor(connection, row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute(statement, values)
        return read(cursor.fetchone()[0])


async def _psycopg_async(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    psycopg = sys.modules["psycopg"]
    async with psycopg.AsyncCursor(connection, row_factory=psycopg.rows.tuple_row) as cursor:
        await cursor.execute(statement, values)
        return read((await cursor.fetchone())[0])


def _sqlalchemy(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    return read(connection.execute(_sqlalchemy_text(connection, statement, values), values).scalar_one())


def _sqlalchemy_session(session: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    return _sqlalchemy(session.connection(), statement, values, read)


async def _sqlalchemy_async(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    text = _sqlalchemy_text(connection, statement, values)
    return read((await connection.execute(text, values)).scalar_one())


async def _sqlalchemy_async_session(session: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    return await _sqlalchemy_async(await session.connection(), statement, values, read)


def _sqlalchemy_text(connection: Any, statement: str, values: _Values) -> Any:
    if connection.dialect.name != "postgresql":
        raise _not_taken(f"a SQLAlchemy connection to {connection.dialect.name}", "it must be to PostgreSQL")
    return sys.modules["sqlalchemy"].text(statement % {name: f":{name}" for name in values})


def _django(connection: Any, statement: str, values: _Values, read: _Read[_T]) -> _T:
    # The cache of Django comes in the same kind of proxy, without a vendor.
    vendor = getattr(connection, "vendor", "something else than a database")
    if vendor != "postgresql":
        raise _not_taken(f"a Django connection to {vendor}", "it must be to PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return read(cursor.fetchone()[0])


# By the package and the name of the class or of one it is derived from.
_DRIVERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("asyncpg", "Connection"): _asyncpg,
    ("asyncpg", "PoolConnectionProxy"): _asyncpg,
    ("psycopg2", "connection"): _psycopg2,
    ("psycopg", "Connection"): _psycopg,
    ("psycopg", "AsyncConnection"): _psycopg_async,
    ("sqlalchemy", "Connection"): _sqlalchemy,
    ("sqlalchemy", "Session"): _sqlalchemy_session,
    ("sqlalchemy", "scoped_session"): _sqlalchemy_session,
    ("sqlalchemy", "AsyncConnection"): _sqlalchemy_async,
    ("sqlalchemy", "AsyncSession"): _sqlalchemy_async_session,
    ("sqlalchemy", "async_scoped_session"): _sqlalchemy_async_session,
    ("django", "BaseDatabaseWrapper"): _django,
    ("django", "ConnectionProxy"): _django,
}
_HINTS = {
    "pool": "take a connection from the pool, and publish in its transaction",
    "cursor": "give its connection",
    "engine": "give the connection that your transaction is on",
    "sessionmaker": "give the session that your transaction is on",
}


def _driver_of(connection: object) -> Callable[..., Any]:
    for each in type(connection).__mro__:
        driver = _DRIVERS.get((each.__module__.partition(".")[0], each.__name__))
        if driver is not None:
            return driver
    given = f"{type(connection).__module__}.{type(connection).__qualname__}"
    hints = [hint for word, hint in _HINTS.items() if word in type(connection).__name__.lower()]
    raise _not_taken(given, *hints[:1])


def _not_taken(given: str, *hints: str) -> TypeError:
    taken = "a connection of asyncpg, psycopg 2 or 3, SQLAlchemy or Django, or a SQLAlchemy session"
    return TypeError("; ".join([f"it takes {taken}, not {given}", *hints]))


# Arguments: each as the text that the server casts.


def _payload(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("utf-8")
    return _text("payload", value if isinstance(value, str) else _json("payload", value))


def _headers(name: str, value: object) -> str:
    if not isinstance(value, Mapping):
        raise _wrong_type(name, "a mapping of texts", value)
    for each in (each for pair in value.items() for each in pair if not isinstance(each, str)):
        raise _wrong_type(name, "a mapping of texts", each)
    return _text(name, _json(name, dict(value)))


def _json(name: str, value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError as error:
        raise TypeError(f"{name} cannot be written as JSON: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name} cannot be written as JSON: {error}") from error


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "a text", value)
    if "\0" in value:
        raise ValueError(f"{name} has a NUL, which PostgreSQL has no place for in a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has half of a surrogate pair, which is no character") from error
    # Drivers do not know all that is derived from a text: enums, marked-up strings.
    return str.__str__(value)


def _uuid(name: str, value: object) -> str:
    try:
        return str(value if isinstance(value, UUID) else UUID(_text(name, value)))
    except ValueError as error:
        raise ValueError(f"{name} is no UUID: {value!r}") from error


def _integer(name: str, value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, "a whole number", value)
    return str(int(value))


def _moment(name: str, value: object) -> str:
    if not isinstance(value, datetime):
        raise _wrong_type(name, "a datetime", value)
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: {value!r}")
    return value.astimezone(UTC).isoformat()


def _wrong_type(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


_OPTIONS: dict[str, Callable[[str, object], str]] = {
    "id": _uuid,
    "tenant": _text,
    "ordering_key": _text,
    "sequence": _integer,
    "endpoint_id": _uuid,
    "headers": _headers,
    "deliver_at": _moment,
    "expires_at": _moment,
    "dedupe_key": _text,
    "traceparent": _text,
}
