import os
import shutil
import tempfile
from pathlib import Path

from relay.embedded.account import Account, give
from relay.embedded.binaries import DEBIAN, Binaries
from relay.embedded.children import run
from relay.embedded.errors import EmbeddedError, WrongMajorVersion

SUPERUSER = "postgres"


def prepare_cluster(data_dir: Path, binaries: Binaries, account: Account, *, durable: bool) -> None:
    """Make sure that `data_dir` is a data directory of this major version; create it if there is none.

    Args:
        data_dir: its parent exists and can be entered by the server's user.
        binaries: what makes and checks it.
        account: who will own it.
        durable: whether to write it through to the disk.

    Raises:
        WrongMajorVersion: it was made by another major version.
        EmbeddedError: it is something else, or cannot be made.
    """
    made_by = _major_of_cluster(data_dir)
    if made_by is None:
        _require_absent_or_empty(data_dir)
        _create(data_dir, binaries, account, durable=durable)
    elif made_by != binaries.major:
        raise WrongMajorVersion(_how_to_move(data_dir, made_by, binaries.major))


def remove_drafts(data_dir: Path) -> None:
    """Remove what a kill in the middle of initdb left."""
    for path in data_dir.parent.iterdir():
        if path.name.startswith(_draft_prefix(data_dir)):
            shutil.rmtree(path, ignore_errors=True)


def _draft_prefix(data_dir: Path) -> str:
    return f"{data_dir.name}.initdb-"


def _major_of_cluster(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "PG_VERSION").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EmbeddedError(
            f"{data_dir}/PG_VERSION does not hold a version: restore the directory from a backup,"
            " or remove it with `relay embedded reset`"
        ) from error


def _require_absent_or_empty(data_dir: Path) -> None:
    if not data_dir.exists():
        return
    if os.path.ismount(data_dir):
        raise EmbeddedError(f"{data_dir} is a mount point: choose a directory below it as data_dir")
    if not data_dir.is_dir() or any(data_dir.iterdir()):
        raise EmbeddedError(
            f"{data_dir} is not empty and not a PostgreSQL data directory: choose another data_dir"
        )


def _create(data_dir: Path, binaries: Binaries, account: Account, *, durable: bool) -> None:
    """Run initdb beside the final place, so that what a kill leaves is never taken for a data directory."""
    remove_drafts(data_dir)
    # A name of its own each time: a child of a killed initdb may still be busy in the last one for a moment.
    draft = Path(tempfile.mkdtemp(prefix=_draft_prefix(data_dir), dir=data_dir.parent))
    give(draft, account)
    try:
        run(_initdb(binaries, draft, durable=durable), account, limit=300)
        draft.rename(data_dir)
        _write_through(data_dir.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _initdb(binaries: Binaries, draft: Path, *, durable: bool) -> list[str | Path]:
    return [
        binaries.bindir / "initdb",
        "--pgdata", draft,
        f"--username={SUPERUSER}",
        "--auth=trust",  # the folder of the socket is what keeps others out
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        *([] if durable else ["--no-sync"]),
    ]  # fmt: skip


def _write_through(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _how_to_move(data_dir: Path, made_by: int, ours: int) -> str:
    old = DEBIAN / str(made_by) / "bin"
    bindir = old if old.is_dir() else f"BINDIR_OF_POSTGRESQL_{made_by}"
    command = f"relay embedded --data-dir {data_dir}"
    return (
        f"{data_dir} was made by PostgreSQL {made_by}, and this is PostgreSQL {ours}. To move the data:"
        f" `{command} --bindir {bindir} dump --file relay.sql`, then `{command} reset`,"
        f" then `{command} psql --file relay.sql`; or go on with bindir = {bindir}"
    )
