"""Whoever calls a function that runs with its owner's rights cannot make it call code of his own."""

import asyncpg
import pytest

from tests.support.database import Connection
from tests.support.secrets import SECRET

# Traps with the very names and arguments of built-ins that our functions use.
FUNCTIONS = {
    "clock_timestamp()": "timestamptz",
    "now()": "timestamptz",
    "pg_notify(text, text)": "void",
    "octet_length(text)": "integer",
    "octet_length(bytea)": "integer",
    "to_regclass(text)": "regclass",
    "to_char(timestamp with time zone, text)": "text",
    "unnest(anyarray)": "setof anyelement",
    "extract(text, timestamp with time zone)": "numeric",
    "to_timestamp(double precision)": "timestamptz",
    "pg_sequence_last_value(regclass)": "bigint",
    "length(text)": "integer",
    "json_typeof(json)": "text",
    "format(text, text)": "text",
}
OPERATORS = [
    ("=", "uuid"),
    ("=", "text"),
    ("=", "bigint"),
    (">", "bigint"),
    (">", "integer"),
    (">", "numeric"),
    ("<>", "text"),
    ("~", "text"),
    (">", "timestamptz"),
]
CALLS = [
    "insert into relay.outbox (event_type, payload) values ('a', to_json(repeat('x', 20000)))",
    "update relay.outbox set headers = '{}'",
    "update relay.setting set value = value",
    "select relay.publish('a', '1', dedupe_key => 'k')",
    "select relay.publish('a', '1'::jsonb, dedupe_key => 'k')",
    "select relay.event_of_dedupe_key('', 'k')",
    "select relay.cancel('00000000-0000-0000-0000-000000000000')",
    "insert into relay.endpoint (url, event_types) values ('https://example.com', '{a.*}')",
    f"insert into relay.endpoint_secret (endpoint_id, sealed) select id, '{SECRET}' from relay.endpoint",
    "insert into relay.pause (tenant) values (null)",
    "update relay.endpoint set state = 'paused'",
    "delete from relay.endpoint_secret",
    "delete from relay.endpoint",
    "select relay.make_partitions(20)",
]
DEFINERS = """
select oid::regprocedure::text as name, proconfig, has_function_privilege('public', oid, 'execute') as is_public
from pg_proc
where pronamespace = 'relay'::regnamespace and prosecdef
"""


async def set_traps(connection: Connection) -> None:
    """Put traps in front of the built-ins, after an event that there is to find and with notifications wanted."""
    await connection.execute("select relay.publish('a', '1', dedupe_key => 'k')")
    await connection.execute("select setval('relay.armed_until', 4102444800)")
    await connection.execute("create schema evil; set local search_path = evil, pg_catalog")
    trap = "language plpgsql as 'begin raise exception ''trapped''; end'"
    for signature, result in FUNCTIONS.items():
        await connection.execute(f"create function evil.{signature} returns {result} {trap}")
    for number, (operator, kind) in enumerate(OPERATORS):
        await connection.execute(f"create function evil.trap_{number}({kind}, {kind}) returns boolean {trap}")
        await connection.execute(
            f"create operator evil.{operator} (function = evil.trap_{number}, leftarg = {kind}, rightarg = {kind})"
        )
    await connection.execute("create temporary table inserted (x int); create temporary table outbox (x int)")


async def test_functions_with_owners_rights_call_nothing_of_their_callers(rolled_back: Connection) -> None:
    await set_traps(rolled_back)
    for call in CALLS:
        await rolled_back.execute(call)


@pytest.mark.parametrize("call", [CALLS[0], CALLS[5], CALLS[7], CALLS[9], CALLS[13]])
async def test_the_traps_catch_a_function_that_is_not_careful(rolled_back: Connection, call: str) -> None:
    for function in await rolled_back.fetch(DEFINERS):
        await rolled_back.execute(f"alter function {function['name']} reset search_path")
    await set_traps(rolled_back)
    with pytest.raises(asyncpg.RaiseError, match="trapped"):
        await rolled_back.execute(call)


async def test_every_function_with_owners_rights_sets_its_search_path_and_is_not_public(
    rolled_back: Connection,
) -> None:
    functions = await rolled_back.fetch(DEFINERS)
    assert len(functions) >= 9
    for function in functions:
        assert "search_path=pg_catalog, pg_temp" in function["proconfig"], function["name"]
        assert not function["is_public"], function["name"]
