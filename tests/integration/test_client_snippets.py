"""Every Python snippet of docs/publishing.md does what it shows: one change and one event, together."""

import ast
import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import asyncpg
import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.support.publishers import Opened, opened

SECTION = re.compile(r"^## From Python$(.*?)^## ", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"^([A-Za-z][^\n]*):\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text(encoding="utf-8")
FOUND = SECTION.search(DOCUMENT)
SNIPPETS = dict(SNIPPET.findall(FOUND[1])) if FOUND else {}


def async_engine(opened: Opened) -> Any:
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(opened.dsn), poolclass=NullPool
    )


# What each finds in its application, by its title.
GIVEN: dict[str, Callable[[Opened], dict[str, Any]]] = {
    "asyncpg": lambda opened: {"connection": asyncpg.connect(opened.dsn)},
    "psycopg 3, asynchronous": lambda opened: {"connection": psycopg.AsyncConnection.connect(opened.dsn)},
    "psycopg 3": lambda opened: {"connection": opened.psycopg().connection},
    "psycopg 2": lambda opened: {"connection": opened.psycopg2().connection},
    "SQLAlchemy 2, a connection": lambda opened: {"engine": opened.engine()},
    "SQLAlchemy 2, a session": lambda opened: {"engine": opened.engine()},
    "SQLAlchemy 2, asynchronous": lambda opened: {"engine": async_engine(opened)},
    "Django": lambda opened: {"connection": opened.django().connection},
}


def driver_of(title: str) -> str:
    return title.partition(" (")[0]


async def run(code: CodeType, names: dict[str, Any]) -> None:
    """Run the snippet, with what is asynchronous opened before and closed after."""
    to_close = [name for name, value in names.items() if inspect.isawaitable(value)]
    for name in to_close:
        names[name] = await names[name]
    result = eval(code, names)  # noqa: S307 - our own document
    if inspect.isawaitable(result):
        await result
    for name in to_close:
        await names[name].close()


@pytest.mark.parametrize("title", SNIPPETS)
def test_a_snippet_commits_its_change_and_its_event(database: str, title: str) -> None:
    code = compile(SNIPPETS[title], title, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with opened(database) as connections, psycopg.connect(database, autocommit=True) as observer:
        observer.execute("create table invoices (id int primary key, paid boolean not null)")
        observer.execute("insert into invoices values (42, false)")
        names = GIVEN[driver_of(title)](connections)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(run(code, names))
        else:
            exec(code, names)  # noqa: S102 - our own document
        assert observer.execute("select paid, xmin::text from invoices").fetchone() == (
            True,
            *observer.execute("select xmin::text from relay.outbox").fetchall()[0],
        )
        assert observer.execute("select id from relay.outbox").fetchall() == [(names["event_id"],)]


def test_every_driver_has_a_snippet() -> None:
    assert sorted(map(driver_of, SNIPPETS)) == sorted(GIVEN)
