"""Which databases are across a network without verified TLS."""

import pytest

from relay.store.dsn import database_hosts, exposed_hosts


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql:///app", []),
        ("postgresql://relay@/app?host=/run/postgresql", []),
        ("postgresql://relay:p%40ss@db.example:5432/app", ["db.example"]),
        ("postgresql://relay@[2001:db8::1]:5432/app", ["2001:db8::1"]),
        ("postgresql://relay@one:1,two:2/app", ["one", "two"]),
        ("postgresql://relay@/app?host=three&port=5432", ["three"]),
        ("postgresql://relay@/app?host=2001:db8::1", ["2001:db8::1"]),
    ],
)
def test_the_hosts_of_a_connection_string_are_found(dsn: str, hosts: list[str]) -> None:
    assert database_hosts(dsn, {}) == hosts
    assert exposed_hosts(dsn, {}) == hosts
    assert exposed_hosts(f"{dsn}{'&' if '?' in dsn else '?'}sslmode=verify-full", {}) == []
    assert exposed_hosts(dsn, {"PGSSLMODE": "verify-full"}) == []


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_weaker_modes_do_not_count(mode: str) -> None:
    dsn = f"postgresql://relay@db.example/app?sslmode={mode}"
    assert exposed_hosts(dsn, {"PGSSLMODE": "verify-full"}) == ["db.example"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_this_machine_is_no_network(host: str) -> None:
    assert exposed_hosts(f"postgresql://relay@{host}:5432/app", {}) == []


def test_where_the_string_names_no_host_the_environment_counts() -> None:
    assert exposed_hosts("postgresql:///app", {"PGHOST": "db.example"}) == ["db.example"]
    assert exposed_hosts("postgresql:///app", {"PGHOST": "/run/postgresql"}) == []
    assert exposed_hosts("postgresql://relay@%2Frun%2Fpostgresql/app", {}) == []
