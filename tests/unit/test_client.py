"""What relay.client takes and refuses before anything is sent to a database."""

import ast
import asyncio
import inspect
import re
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type
from uuid import UUID

import asyncpg
import psycopg2.pool
import pytest
import sqlalchemy
from django.core.cache import CacheHandler
from django.db.backends.sqlite3.base import DatabaseWrapper as DjangoSqlite
from django.utils.connection import ConnectionProxy
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

import relay
from relay.client import cancel, publish
from relay.client.publish import _CANCEL, _PUBLISH, Options
from tests.support.alone import run_alone

if TYPE_CHECKING:
    import psycopg

FILE = Path(relay.__file__).parent / "client" / "publish.py"
ID = UUID("3c6ed852-3a34-4a2b-93d0-2f68cf584d29")
DUMMY_CACHE = "django.core.cache.backends.dummy.DummyCache"
HALF_A_PAIR = "\ud83d"


class Connection:
    """Passes for one of asyncpg, and keeps what it is asked for."""

    __module__ = "asyncpg.connection"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def fetchval(self, *arguments: Any) -> str:
        self.asked.append(arguments)
        return str(ID)

    async def close(self) -> None:
        """Nothing is open."""


class MyConnection(Connection):
    """An application's own class, derived from the driver's."""

    __module__ = "my_application"


def pretending(module: str, name: str) -> object:
    """Make an object whose class has this name, of a package that need not be installed."""
    return type(name, (), {"__module__": module})()


ENGINE = sqlalchemy.create_engine("sqlite://")
NOT_TAKEN: dict[str, tuple[Callable[[], object], str]] = {
    "none": (lambda: None, "not builtins.NoneType"),
    "dsn": (lambda: "postgresql://localhost", "not builtins.str"),
    "class": (lambda: asyncpg.Connection, "not "),
    "sqlite": (lambda: sqlite3.connect(":memory:"), "not sqlite3.Connection"),
    "asyncpg pool": (
        lambda: pretending("asyncpg.pool", "Pool"),
        "not asyncpg.pool.Pool; take a connection from the pool",
    ),
    "psycopg2 pool": (
        lambda: psycopg2.pool.SimpleConnectionPool(0, 1),
        "SimpleConnectionPool; take a connection from the pool",
    ),
    "psycopg pool": (lambda: pretending("psycopg_pool", "AsyncConnectionPool"), "connection from the pool"),
    "psycopg cursor": (lambda: pretending("psycopg", "Cursor"), "not psycopg.Cursor; give its connection"),
    "psycopg2 cursor": (lambda: pretending("psycopg2.extras", "RealDictCursor"), "give its connection"),
    "django cursor": (
        lambda: pretending("django.db.backends.utils", "CursorWrapper"),
        "give its connection",
    ),
    "engine": (lambda: ENGINE, "Engine; give the connection that your transaction is on"),
    "async engine": (
        lambda: create_async_engine("postgresql+asyncpg://", poolclass=sqlalchemy.NullPool),
        "AsyncEngine; give the connection",
    ),
    "sessionmaker": (sessionmaker, "sessionmaker; give the session"),
    "async sessionmaker": (async_sessionmaker, "async_sessionmaker; give the session"),
    "namesake": (lambda: pretending("my_application", "Connection"), "not my_application.Connection"),
    "other database of sqlalchemy": (ENGINE.connect, "a SQLAlchemy connection to sqlite; it must be to PostgreSQL"),
    "session of another database": (lambda: Session(ENGINE), "a SQLAlchemy connection to sqlite; it must be"),
    "other database of django": (
        lambda: DjangoSqlite({"NAME": ":memory:"}),
        "a Django connection to sqlite; it must be to PostgreSQL",
    ),
    "cache of django": (
        lambda: ConnectionProxy(CacheHandler({"default": {"BACKEND": DUMMY_CACHE}}), "default"),
        "Django connection to something else than a database"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_is_no_connection_is_refused_with_what_is_taken_and_a_way_out(name: str) -> None:
    make, told = NOT_TAKEN[name]
    given: Any = make()
    calls: list[Callable[[], object]] = [lambda: publish(given, "a", {}), lambda: cancel(given, ID)]
    for call in calls:
        with pytest.raises(TypeError, match=re.escape(told)) as refused:
            call()
        assert "it takes a connection of asyncpg, psycopg 2 or 3, SQLAlchemy or Django" in str(refused.value)
    if isinstance(given, (sqlite3.Connection, sqlalchemy.Connection, Session)):
        given.close()


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"event_type": None}, TypeError, "event_type must be a text, not NoneType"),
    ({"event_type": b"a"}, TypeError, "event_type must be a text, not bytes"),
    ({"event_type": "a\0"}, ValueError, "event_type has a NUL"),
    ({"payload": datetime(2030, 1, 1, tzinfo=UTC)}, TypeError, "payload cannot be written as JSON: Object of type dat"),
    ({"payload": {"id": UUID(int=1)}}, TypeError, "payload cannot be written as JSON: Object of type UUID"),
    ({"payload": {(1, 2): 3}}, TypeError, "payload cannot be written as JSON: keys must be"),
    ({"payload": {1, 2}}, TypeError, "payload cannot be written as JSON"),
    ({"payload": float("nan")}, ValueError, "payload cannot be written as JSON"),
    ({"payload": [float("inf")]}, ValueError, "payload cannot be written as JSON"),
    ({"payload": {"half": HALF_A_PAIR}}, ValueError, "payload has half of a surrogate pair"),
    ({"payload": '"\0"'}, ValueError, "payload has a NUL"),
    ({"payload": b"\xff"}, ValueError, "codec can't decode"),
    ({"id": "x"}, ValueError, "id is no UUID: 'x'"),
    ({"id": 7}, TypeError, "id must be a text, not int"),
    ({"endpoint_id": "x"}, ValueError, "endpoint_id is no UUID: 'x'"),
    ({"tenant": 7}, TypeError, "tenant must be a text, not int"),
    ({"ordering_key": 42}, TypeError, "ordering_key must be a text, not int"),
    ({"dedupe_key": HALF_A_PAIR}, ValueError, "dedupe_key has half of a surrogate pair"),
    ({"sequence": "7"}, TypeError, "sequence must be a whole number, not str"),
    ({"sequence": 7.0}, TypeError, "sequence must be a whole number, not float"),
    ({"sequence": True}, TypeError, "sequence must be a whole number, not bool"),
    ({"headers": [("X-A", "1")]}, TypeError, "headers must be a mapping of texts, not list"),
    ({"headers": {"X-A": 1}}, TypeError, "headers must be a mapping of texts, not int"),
    ({"headers": {1: "X"}}, TypeError, "headers must be a mapping of texts, not int"),
    ({"headers": {"X": HALF_A_PAIR}}, ValueError, "headers has half of a surrogate pair"),
    ({"deliver_at": "2030-01-01"}, TypeError, "deliver_at must be a datetime, not str"),
    ({"deliver_at": datetime(2030, 1, 1)}, ValueError, "deliver_at has no time zone"),  # noqa: DTZ001 - the mistake
    ({"expires_at": 7}, TypeError, "expires_at must be a datetime, not int"),
    ({"traceparent": b"00"}, TypeError, "traceparent must be a text, not bytes"),
    ({"delivery_at": None}, TypeError, "publish() has no option 'delivery_at'; it has id, tenant, ordering_key"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "kind", "told"), WRONG, ids=ascii)
def test_a_wrong_argument_is_named_before_anything_is_sent(
    wrong: dict[str, Any], kind: type[Exception], told: str
) -> None:
    connection = Connection()
    arguments: dict[str, Any] = {"event_type": "a", "payload": {}, **wrong}
    with pytest.raises(kind, match=re.escape(told)):
        _ = publish(connection, **arguments)
    assert connection.asked == []


@pytest.mark.parametrize(("event_id", "kind"), [("x", ValueError), (None, TypeError), (7, TypeError)])
def test_only_a_uuid_can_be_cancelled(event_id: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="event_id"):
        _ = cancel(Connection(), event_id)


class Kind(StrEnum):
    PAID = "invoice.paid"


class OldKind(str, Enum):  # noqa: UP042 - it writes itself differently
    PAID = "invoice.paid"


class Version(IntEnum):
    FIRST = 1


def test_what_is_derived_from_a_text_or_a_number_goes_as_such() -> None:
    connection = MyConnection()
    for kind in (Kind.PAID, OldKind.PAID):
        asyncio.run(publish(connection, kind, {"kind": kind}, sequence=Version.FIRST))
    for _, event_type, payload, *rest in connection.asked:
        assert (type(event_type), event_type, payload) == (str, "invoice.paid", '{"kind":"invoice.paid"}')
        assert "1" in rest


def test_the_id_comes_back_as_a_uuid_and_a_cancellation_as_nothing() -> None:
    connection = Connection()
    assert asyncio.run(publish(connection, "a", {})) == ID
    asyncio.run(cancel(connection, ID))
    assert connection.asked[1] == (_CANCEL % {"event_id": "$1"}, str(ID))


def test_every_option_that_is_documented_is_a_parameter_of_the_statement() -> None:
    documented = re.findall(r"^ {4}(\w+): ", inspect.getdoc(Options) or "", re.MULTILINE)
    in_statement = re.findall(r"%\((\w+)\)s", _PUBLISH)
    assert documented == list(Options.__annotations__)
    assert in_statement == ["event_type", "payload", *documented]


if TYPE_CHECKING:

    def type_checkers_know_what_is_awaited(
        *,
        synchronous: psycopg.Connection,
        session: Session,
        asynchronous: psycopg.AsyncConnection,
        async_session: AsyncSession,
        of_asyncpg: asyncpg.Connection,
        of_a_pool: asyncpg.pool.PoolConnectionProxy,
    ) -> None:
        _ = assert_type(publish(synchronous, "a", {}), UUID)
        _ = assert_type(publish(session, "a", {}), UUID)
        _ = assert_type(publish(asynchronous, "a", {}), Coroutine[Any, Any, UUID])
        _ = assert_type(publish(async_session, "a", {}), Coroutine[Any, Any, UUID])
        _ = assert_type(publish(of_asyncpg, "a", {}), Coroutine[Any, Any, UUID])
        _ = assert_type(publish(of_a_pool, "a", {}), Coroutine[Any, Any, UUID])
        _ = assert_type(cancel(async_session, ID), Coroutine[Any, Any, None])
        publish(session, "a", {}, sequence="7")  # type: ignore[call-overload]


ALONE = f"""
import sys
sys.path.insert(0, sys.argv[1])
import asyncio
from {{module}} import cancel, publish

class Connection:
    __module__ = "asyncpg.connection"
    async def fetchval(self, statement, *values):
        return "{ID}"

print(asyncio.run(publish(Connection(), "invoice.paid", {{{{"id": 42}}}}, ordering_key="invoice:42")))
try:
    publish(None, "invoice.paid", {{{{"id": 42}}}})
except TypeError:
    print(sorted(each for each in sys.modules if each.startswith(("asyncpg", "psycopg", "sqlalchemy", "django"))))
"""


def test_the_file_works_as_a_copy_with_nothing_but_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "copied.py").write_text(FILE.read_text())
    assert run_alone(ALONE.format(module="copied"), str(tmp_path)) == f"{ID}\n[]\n"


def test_the_package_gives_it_without_any_dependency() -> None:
    assert run_alone(ALONE.format(module="relay.client"), str(FILE.parents[2])) == f"{ID}\n[]\n"


def test_the_file_imports_only_the_standard_library() -> None:
    tree = ast.parse(FILE.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
