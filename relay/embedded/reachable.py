import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from relay.embedded.account import Account
from relay.embedded.binaries import Binaries, version_in
from relay.embedded.children import run
from relay.embedded.errors import EmbeddedError, NoBinaries

COMPLETE = ".complete"
UNFINISHED = ".unfinished-"
NEEDED = ("bin", "lib", "share")
ABANDONED_AFTER = 3600


def make_reachable(bindir: Path, account: Account) -> Binaries:
    """Return binaries that the server's user can execute: those in `bindir`, or a cached copy of them.

    A checkout in root's 0700 home, or on a mount without execution, is out of that user's reach.

    Raises:
        NoBinaries: the binaries do not work, or no place for a copy of them was found.
    """
    try:
        return _probe(bindir, account)
    except PermissionError:
        return _copied(bindir, account)


def _probe(bindir: Path, account: Account) -> Binaries:
    try:
        answer = run([bindir / "postgres", "--version"], account, limit=30)
    except EmbeddedError as error:
        raise NoBinaries(f"the PostgreSQL binaries in {bindir} do not work: {error}") from error
    return Binaries(bindir=bindir, version=version_in(answer))


def _copied(bindir: Path, account: Account) -> Binaries:
    name = f"postgresql-{_fingerprint(bindir.parent)}"
    refusals = []
    for place in _places(os.environ, root=os.geteuid() == 0):
        try:
            home = _own_folder(place, account)
            return _probe(_copy_once(bindir, home / name), account)
        except OSError as error:
            refusals.append(f"{place}: {error.strerror}")
    raise NoBinaries(
        f"{account.name} cannot execute the PostgreSQL binaries in {bindir}, and no place for a copy found"
        f" ({'; '.join(refusals)}): install PostgreSQL where that user can reach it,"
        " e.g. `apt-get install postgresql`, or set bindir"
    )


def _places(environment: Mapping[str, str], *, root: bool) -> Iterator[Path]:
    """Yield the folders to hold copies, best first; the last ones are for systems that are read-only."""
    if cache := environment.get("CACHE_DIRECTORY"):  # systemd's, a list
        yield Path(cache.partition(":")[0])
    if root:
        yield Path("/var/cache/relay")
    else:
        yield Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relay"
    for shared in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - _own_folder trusts nobody else's
        yield Path(shared) / f"relay-cache-{os.geteuid()}"


def _own_folder(place: Path, account: Account) -> Path:
    """Create the folder, or check that only we, root or the server's user put things there."""
    try:
        place.mkdir(parents=True)
        place.chmod(0o755)
    except FileExistsError:
        found = place.lstat()
        trusted = found.st_uid in {0, os.geteuid(), account.uid} and not found.st_mode & 0o022
        if not (stat.S_ISDIR(found.st_mode) and trusted):
            raise PermissionError(0, "exists and belongs to somebody else") from None
    return place


def _copy_once(bindir: Path, home: Path) -> Path:
    """Copy the installation to `home` unless that was done before; return its folder of programs.

    The copy keeps `PACKAGE/INSTALL` beside `PACKAGE.libs`, since the programs look for their libraries
    relative to their own place.
    """
    install = bindir.parent
    package = install.parent
    if not (home / COMPLETE).is_file():
        _sweep(home.parent)
        draft = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=home.parent))
        try:
            _fill(draft, install)
            _settle(draft, home)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return home / package.name / install.name / bindir.name


def _fill(draft: Path, install: Path) -> None:
    package = install.parent
    for part in NEEDED:
        if (install / part).is_dir():
            shutil.copytree(install / part, draft / package.name / install.name / part)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name)
    _let_all_read(draft)
    os.sync()  # a power cut must not leave a finished name with empty files
    (draft / COMPLETE).touch()


def _settle(draft: Path, home: Path) -> None:
    try:
        draft.rename(home)
    except OSError:
        if (home / COMPLETE).is_file():  # another process was first
            return
        shutil.rmtree(home)  # a damaged one
        draft.rename(home)


def _let_all_read(root: Path) -> None:
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)


def _sweep(cache: Path) -> None:
    """Remove copies that a killed process left unfinished."""
    for draft in cache.glob(f"{UNFINISHED}*"):
        if time.time() - draft.lstat().st_mtime > ABANDONED_AFTER:
            shutil.rmtree(draft, ignore_errors=True)


def _fingerprint(install: Path) -> str:
    digest = hashlib.sha256((install / "bin" / "postgres").read_bytes())
    for path in sorted(install.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(install)}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()[:16]
