"""Which databases are across a network without verified TLS, whoever says so: string, service file or environment."""

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import pytest

from relay.store.dsn import UnusableDsn, database_hosts, exposed_hosts
from tests.support.certificates import make_certificate

HEEDED = (
    "PGHOST",
    "PGPORT",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGTARGETSESSIONATTRS",
)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Provide a home with a root certificate in it, and nothing in the environment that the driver would heed."""
    for name in HEEDED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".postgresql").mkdir()
    make_certificate(tmp_path).rename(tmp_path / ".postgresql" / "root.crt")
    return tmp_path


def write_service(home: Path, *lines: str) -> None:
    (home / ".pg_service.conf").write_text("\n".join(["[far]", *lines]) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql:///app", []),
        ("postgresql://relay@/app?host=/run/postgresql", []),
        ("postgresql://relay@%2Frun%2Fpostgresql/app", []),
        ("postgresql://relay:p%40ss@db.example:5432/app", ["db.example"]),
        ("postgresql://relay@[2001:db8::1]:5432/app", ["2001:db8::1"]),
        ("postgresql://relay@one:1,two:2/app", ["one", "two"]),
        ("postgresql://relay@localhost,two/app", ["two"]),
        ("postgresql://relay@/app?host=three&port=5432", ["three"]),
        ("postgresql://relay@/app?host=[2001:db8::1]", ["2001:db8::1"]),
        ("postgresql://relay@/app?host=localhost&host=four", ["four"]),
    ],
)
def test_the_hosts_of_a_connection_string_are_found(
    dsn: str, hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database_hosts(dsn) == hosts
    assert exposed_hosts(dsn) == hosts
    assert exposed_hosts(f"{dsn}{'&' if '?' in dsn else '?'}sslmode=verify-full") == []
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert exposed_hosts(dsn) == []


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_weaker_modes_do_not_count(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert exposed_hosts(f"postgresql://relay@db.example/app?sslmode={mode}") == ["db.example"]
    assert exposed_hosts(f"postgresql://relay@db.example/app?sslmode=verify-full&sslmode={mode}") == [
        "db.example"
    ]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_this_machine_is_no_network(host: str) -> None:
    assert exposed_hosts(f"postgresql://relay@{host}:5432/app") == []


def test_where_the_string_names_no_host_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert exposed_hosts("postgresql:///app") == ["db.example"]
    assert exposed_hosts("postgresql://relay@localhost/app") == []
    monkeypatch.setenv("PGHOST", "/run/postgresql")
    assert exposed_hosts("postgresql:///app") == []


def test_a_service_file_leads_across_a_network_as_well(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_service(home, "host=db.example")
    assert exposed_hosts("postgresql:///app?service=far") == ["db.example"]
    assert exposed_hosts("postgresql:///app?service=far&sslmode=verify-full") == []
    assert exposed_hosts("postgresql://relay@localhost/app?service=far") == []

    elsewhere = home / "elsewhere"
    (home / ".pg_service.conf").rename(elsewhere)
    assert exposed_hosts("postgresql:///app?service=far") == []
    monkeypatch.setenv("PGSERVICEFILE", str(elsewhere))
    assert exposed_hosts("postgresql:///app?service=far") == ["db.example"]


def test_a_service_file_makes_the_connection_no_weaker_than_it_seems(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the driver what the file says of TLS comes before the environment, and after the string."""
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    write_service(home, "sslmode=disable")
    assert exposed_hosts("postgresql://relay@db.example/app?service=far") == ["db.example"]
    assert exposed_hosts("postgresql://relay@db.example/app?service=far&sslmode=verify-full") == []
    monkeypatch.delenv("PGSSLMODE")
    write_service(home, "sslmode=verify-full")
    assert exposed_hosts("postgresql://relay@db.example/app?service=far") == []
    assert exposed_hosts("postgresql://relay@db.example/app?service=far&sslmode=require") == ["db.example"]


@pytest.mark.parametrize("is_in_string", [True, False])
def test_a_service_of_the_environment_counts_as_the_driver_counts_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, is_in_string: bool
) -> None:
    """It reads PGSERVICE only once it is too late; should that change, this still tells the truth."""
    write_service(home, "host=127.0.0.2")
    monkeypatch.setenv("PGSERVICE", "far")
    dsn = "postgresql:///app?service=far" if is_in_string else "postgresql:///app"
    went_to: list[object] = []

    async def connect() -> None:
        loop = asyncio.get_running_loop()
        for name in ("create_connection", "create_unix_connection"):
            monkeypatch.setattr(loop, name, note_of(went_to))
        with contextlib.suppress(ConnectionError):
            await asyncpg.connect(dsn, timeout=5)

    asyncio.run(connect())

    assert ("127.0.0.2" in str(went_to)) == is_in_string
    write_service(home, "host=db.example")
    assert exposed_hosts(dsn) == (["db.example"] if is_in_string else [])


def note_of(places: list[object]) -> object:
    async def connect(_: object, *where: object, **__: object) -> None:
        places.append(where)
        await asyncio.sleep(0)
        raise ConnectionRefusedError

    return connect


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("mysql://relay@db.example/app", "scheme"),
        ("postgresql://relay@/app?host=db.example:x", "cannot be read"),
        ("postgresql://relay@db.example/app?sslmode=full", "sslmode"),
        ("postgresql://relay@db.example/app?sslmode=verify-full&sslrootcert=/no/such/file", "certificate"),
        ("postgresql://relay:canary@db.example/app?a", "cannot be read"),
        ("postgresql://relay:x@[canary@db.example/app", "cannot be read"),
    ],
)
def test_what_the_driver_will_not_take_is_told_without_its_password(dsn: str, said: str) -> None:
    with pytest.raises(UnusableDsn, match=said) as told:
        exposed_hosts(dsn)
    assert "canary" not in str(told.value)


def test_a_service_file_that_is_none_is_told(home: Path) -> None:
    (home / ".pg_service.conf").write_text("host=db.example\n", encoding="utf-8")
    with pytest.raises(UnusableDsn, match="service file"):
        exposed_hosts("postgresql:///app?service=far")


def test_the_hosts_are_found_whether_or_not_there_are_certificates(home: Path) -> None:
    """As where the service's certificates are not those of whoever asks."""
    (home / ".postgresql" / "root.crt").unlink()
    dsn = "postgresql://relay@db.example/app?sslmode=verify-full"
    assert database_hosts(dsn) == ["db.example"]
    with pytest.raises(UnusableDsn, match="root certificate"):
        exposed_hosts(dsn)
