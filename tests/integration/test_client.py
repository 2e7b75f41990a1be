"""relay.client publishes in the transaction of whoever calls it, whatever the driver."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import psycopg2.extras
import pytest
from sqlalchemy.ext.asyncio import async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import scoped_session, sessionmaker

from relay.client import publish
from tests.support.publishers import DRIVERS, Opened, Publisher, opened

XID = "select pg_current_xact_id()::text"
# Those of PL/pgSQL appear with the first function that is called.
SETTINGS = (
    "select string_agg(name || '=' || setting, ',' order by name) from pg_settings"
    " where name not like 'plpgsql.%'"
)
HOSTILE = [
    "'",
    '"',
    "'); drop table relay.outbox; --",
    "$$; select 1; $$",
    "%s %(id)s %% %",
    ":id ::text :payload",
    "$1 $2 {0} {id}",
    "\\' \\x00 \\",
    "E'\\047'",
    "é ✓ 🎉 \u2028 \x7f \t\r\n",
    "/* */ -- ?",
]

PAYLOADS: list[tuple[object, str]] = [
    ({"id": 42, "name": "é ✓ 🎉"}, '{"id":42,"name":"é ✓ 🎉"}'),
    ([1, 2.5, True, None, "x"], '[1,2.5,true,null,"x"]'),
    ((1, 2), "[1,2]"),
    (42, "42"),
    (False, "false"),
    (None, "null"),
    ({"nul": "\0"}, '{"nul":"\\u0000"}'),
    ('{ "id" :  42.00 }', '{ "id" :  42.00 }'),
    (b'{ "id" :  "\xc3\xa9" }', '{ "id" :  "é" }'),
    (bytearray(b" 1e400 "), " 1e400 "),
    ('"text"', '"text"'),
]


@pytest.fixture
def connections(database: str) -> Iterator[Opened]:
    with opened(database) as connections:
        yield connections


@pytest.fixture(params=DRIVERS)
def publisher(connections: Opened, request: pytest.FixtureRequest) -> Publisher:
    return DRIVERS[request.param](connections)


class Observer:
    """Sees what is committed."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        self._connection.execute(statement.encode())

    def column(self, statement: str) -> list[Any]:
        return [row[0] for row in self._connection.execute(statement.encode()).fetchall()]

    def events(self) -> list[UUID]:
        return self.column("select id from relay.outbox order by seq")


@pytest.fixture
def observer(database: str) -> Iterator[Observer]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield Observer(connection)


def test_an_event_is_there_when_the_transaction_commits_and_not_before(
    publisher: Publisher, observer: Observer
) -> None:
    publisher.begin()
    event_id = publisher.publish("invoice.paid", {"id": 42})
    assert observer.events() == []
    publisher.commit()
    assert observer.events() == [event_id]
    assert observer.column("select payload::text from relay.outbox") == ['{"id":42}']


def test_an_event_goes_with_a_transaction_that_is_rolled_back(
    publisher: Publisher, observer: Observer
) -> None:
    publisher.begin()
    publisher.publish("invoice.paid", {"id": 42})
    publisher.roll_back()
    publisher.begin()
    kept = publisher.publish("invoice.paid", {"id": 43})
    publisher.commit()
    assert observer.events() == [kept]


def test_an_event_goes_with_a_savepoint_that_is_rolled_back(publisher: Publisher, observer: Observer) -> None:
    publisher.begin()
    before = publisher.publish("invoice.paid", {"id": 1})
    publisher.savepoint()
    publisher.publish("invoice.paid", {"id": 2})
    publisher.roll_back_to_savepoint()
    after = publisher.publish("invoice.paid", {"id": 3})
    publisher.commit()
    assert observer.events() == [before, after]


def test_it_stays_in_the_transaction_that_was_open_and_leaves_the_session_as_it_was(
    publisher: Publisher, observer: Observer
) -> None:
    publisher.begin()
    transaction, settings = publisher.value(XID), publisher.value(SETTINGS)
    event_id = publisher.publish("invoice.paid", {"id": 42})
    publisher.cancel(event_id)
    assert publisher.value(XID) == transaction
    assert publisher.value(SETTINGS) == settings
    assert observer.events() == []
    publisher.commit()
    assert observer.column("select xmin::text from relay.outbox") == [transaction]


def test_a_change_and_its_event_are_one(publisher: Publisher, observer: Observer) -> None:
    observer.execute("create table invoice (id int primary key, paid boolean not null)")
    publisher.begin()
    publisher.value("insert into invoice values (42, true) returning id")
    publisher.publish("invoice.paid", {"id": 42})
    assert (observer.events(), observer.column("select id from invoice")) == ([], [])
    publisher.commit()
    assert (len(observer.events()), observer.column("select id from invoice")) == (1, [42])


def test_a_cancellation_counts_when_the_transaction_commits(publisher: Publisher, observer: Observer) -> None:
    first, second = uuid4(), uuid4()
    publisher.begin()
    publisher.cancel(first)
    publisher.roll_back()
    publisher.begin()
    publisher.cancel(str(second).upper())
    publisher.commit()
    assert observer.column("select event_id from relay.cancellation") == [second]


def test_every_option_reaches_its_column(publisher: Publisher, observer: Observer) -> None:
    event_id, endpoint_id, trace = uuid4(), uuid4(), f"00-{'a' * 32}-{'b' * 16}-01"
    berlin = timezone(timedelta(hours=2))
    publisher.begin()
    assert event_id == publisher.publish(
        "invoice.paid", {"id": 42}, id=event_id, tenant="t", ordering_key="o", sequence=2**62,
        endpoint_id=str(endpoint_id), headers={"X-A": "1"}, deliver_at=datetime(2030, 1, 1, 1, tzinfo=berlin),
        expires_at=datetime(2030, 1, 2, tzinfo=UTC), dedupe_key="d", traceparent=trace,
    )  # fmt: skip
    publisher.commit()
    row = observer.column(
        "select json_build_array(id, tenant, ordering_key, sequence, endpoint_id, headers,"
        " deliver_at at time zone 'UTC', expires_at at time zone 'UTC', dedupe_key, traceparent) from relay.outbox"
    )
    assert row == [
        [str(event_id), "t", "o", 2**62, str(endpoint_id), {"X-A": "1"}, "2029-12-31T23:00:00",
         "2030-01-02T00:00:00", "d", trace],
    ]  # fmt: skip


def test_an_option_that_is_none_is_as_if_it_were_left_out(publisher: Publisher, observer: Observer) -> None:
    names = ("id", "tenant", "ordering_key", "sequence", "endpoint_id", "headers", "deliver_at", "expires_at",
             "dedupe_key", "traceparent")  # fmt: skip
    publisher.begin()
    publisher.publish("a", 1, **dict.fromkeys(names))
    publisher.publish("a", 1)
    publisher.commit()
    left_out = observer.column(
        "select count(distinct to_jsonb(o) - 'id' - 'seq' - 'created_at') from relay.outbox o"
    )
    assert left_out == [1]


def test_a_dedupe_key_gives_the_first_events_id(publisher: Publisher, observer: Observer) -> None:
    publisher.begin()
    first = publisher.publish("a", 1, dedupe_key="k")
    assert publisher.publish("a", 2, dedupe_key="k") == first
    assert publisher.publish("a", 2, dedupe_key="k", tenant="other") != first
    publisher.commit()
    assert len(observer.events()) == 2


def test_no_text_is_taken_for_sql_or_for_a_placeholder(publisher: Publisher, observer: Observer) -> None:
    publisher.begin()
    for text in HOSTILE:
        publisher.publish(
            "a", {text: text}, tenant=text, ordering_key=text, dedupe_key=text, headers={"X": text}
        )
    publisher.commit()
    rows = observer.column(
        "select json_build_array(payload, tenant, ordering_key, dedupe_key, headers) from relay.outbox order by seq"
    )
    assert rows == [[{text: text}, text, text, text, {"X": text}] for text in HOSTILE]


def test_what_the_database_refuses_is_the_drivers_error_and_tells_why(publisher: Publisher) -> None:
    publisher.begin()
    with pytest.raises(Exception, match="is not a dotted name") as refused:
        publisher.publish("invoice paid", {})
    assert type(refused.value).__module__.partition(".")[0] in {
        "asyncpg",
        "psycopg2",
        "psycopg",
        "sqlalchemy",
        "django",
    }
    publisher.roll_back()


def test_ready_json_is_sent_byte_for_byte_and_anything_else_is_written_compactly(
    publisher: Publisher, observer: Observer
) -> None:
    publisher.begin()
    for payload, _ in PAYLOADS:
        publisher.publish("a", payload)
    publisher.commit()
    kept = observer.column("select payload::text from relay.outbox order by seq")
    assert kept == [text for _, text in PAYLOADS]


def test_text_that_is_no_json_is_refused_by_the_database(publisher: Publisher) -> None:
    publisher.begin()
    with pytest.raises(Exception, match="invalid input syntax for type json"):
        publisher.publish("a", "hello")
    publisher.roll_back()


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
def test_in_autocommit_without_a_transaction_the_event_is_committed_at_once(
    connections: Opened, observer: Observer, name: str
) -> None:
    publisher: Publisher = getattr(connections, name)()
    publisher.connection.autocommit = True
    event_id = publisher.publish("a", 1)
    assert observer.events() == [event_id]


@pytest.mark.parametrize("name", ["asyncpg", "django"])
def test_outside_of_a_transaction_the_event_is_committed_at_once(
    connections: Opened, observer: Observer, name: str
) -> None:
    publisher: Publisher = getattr(connections, name)()
    event_id = publisher.publish("a", 1)
    assert observer.events() == [event_id]


@pytest.mark.parametrize(
    "rows",
    [psycopg.rows.dict_row, psycopg.rows.namedtuple_row, psycopg.rows.scalar_row],
    ids=lambda each: each.__name__,
)
def test_the_row_type_of_a_psycopg_connection_does_not_matter(connections: Opened, rows: Any) -> None:
    for publisher in (connections.psycopg(row_factory=rows), connections.psycopg_async(row_factory=rows)):
        publisher.publish("a", 1)
        publisher.roll_back()


@pytest.mark.parametrize("factory", [psycopg.RawCursor, psycopg.ClientCursor], ids=repr)
def test_the_cursor_type_of_a_psycopg_connection_does_not_matter(connections: Opened, factory: Any) -> None:
    publisher = connections.psycopg(cursor_factory=factory)
    publisher.publish("a", {"quote": "'"})
    publisher.roll_back()


def test_the_cursor_type_of_a_psycopg2_connection_does_not_matter(connections: Opened) -> None:
    publisher = connections.psycopg2(cursor_factory=psycopg2.extras.RealDictCursor)
    publisher.publish("a", 1)
    publisher.roll_back()


def test_the_codecs_of_an_asyncpg_connection_do_not_matter(connections: Opened, observer: Observer) -> None:
    publisher = connections.asyncpg()

    async def set_codecs() -> None:
        for name in ("json", "jsonb", "uuid", "timestamptz"):
            await publisher.connection.set_type_codec(
                name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
            )

    publisher.run(set_codecs())  # type: ignore[attr-defined]
    event_id = publisher.publish(
        "a", {"id": 1}, headers={"X": "y"}, deliver_at=datetime(2030, 1, 1, tzinfo=UTC)
    )
    assert observer.events() == [event_id]


class Watched:
    """A connection as tools that watch programs wrap it: it says that it is of the class of what is inside."""

    def __init__(self, watched: object) -> None:
        self._watched = watched

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._watched)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched, name)


@pytest.mark.parametrize("driver", [psycopg, psycopg2])
def test_a_connection_that_is_watched_is_a_connection(driver: Any, database: str, observer: Observer) -> None:
    with closing(driver.connect(database)) as connection:
        event_id = publish(Watched(connection), "invoice.paid", {})
        connection.commit()

    assert observer.events() == [event_id]


def test_scoped_sessions_of_sqlalchemy_are_sessions(connections: Opened, observer: Observer) -> None:
    session = scoped_session(sessionmaker(connections.engine()))
    event_id = publish(session, "a", 1)
    assert observer.events() == []
    session.commit()
    session.remove()
    assert observer.events() == [event_id]


def test_sessions_of_asyncio_that_are_scoped_are_sessions(database: str, observer: Observer) -> None:
    async def publish_one() -> UUID:
        engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database))
        session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
        event_id = await publish(session, "a", 1)
        assert observer.events() == []
        await session.commit()
        await session.remove()
        await engine.dispose()
        return event_id

    event_id = asyncio.run(publish_one())
    assert observer.events() == [event_id]
