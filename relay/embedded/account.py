import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from relay.embedded.errors import EmbeddedError

SERVICE_ACCOUNTS = ("relay", "postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user that the server and its tools run as.

    Attributes:
        name: for messages.
        uid: numeric user.
        gid: numeric primary group.
        dropped: whether we are root and must change to this user in the child.
    """

    name: str
    uid: int
    gid: int
    dropped: bool


def choose_account(data_dir: Path) -> Account:
    """Say which user runs the server on `data_dir`: oneself, or as root somebody else.

    PostgreSQL refuses to run as root. An existing data directory stays with its owner, so that a service
    account which appears later does not lock it out.

    Raises:
        EmbeddedError: nobody may run a server on this directory, and why.
    """
    owner = _owner_of_cluster(data_dir)
    if os.geteuid() != 0:
        return _oneself(data_dir, owner)
    if owner == 0:
        raise EmbeddedError(
            f"{data_dir} belongs to root, and PostgreSQL refuses to run as root:"
            f" give it to a service account with `chown -R postgres: {data_dir}`"
        )
    return _service_account() if owner is None else _account_of(owner, dropped=True)


def give(path: Path | int, account: Account) -> None:
    """Hand a file, a descriptor or a directory that we have just created to the server's user."""
    if account.dropped:
        os.chown(path, account.uid, account.gid)


def open_ours(path: Path, flags: int, account: Account) -> int:
    """Open a file of ours, and create it for the server's user if it is absent.

    Created exclusively and never through a symbolic link: the folder may be one where others write too.
    An existing file is opened without O_CREAT, which `fs.protected_regular` would refuse even to root.
    """
    safe = flags | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, safe)
    except FileNotFoundError:
        created = os.open(path, safe | os.O_CREAT | os.O_EXCL, 0o600)
        give(created, account)
        return created


def _owner_of_cluster(data_dir: Path) -> int | None:
    try:
        version = (data_dir / "PG_VERSION").lstat()
    except FileNotFoundError:
        return None
    except (PermissionError, NotADirectoryError) as error:
        raise EmbeddedError(
            f"cannot look into {data_dir} ({error.strerror}): run as its owner, or choose another data_dir"
        ) from error
    return version.st_uid if stat.S_ISREG(version.st_mode) else None


def _oneself(data_dir: Path, owner: int | None) -> Account:
    uid = os.geteuid()
    if owner not in {None, uid}:
        raise EmbeddedError(
            f"{data_dir} belongs to user {owner}, not to us (user {uid}):"
            " run as its owner or as root, or choose another data_dir"
        )
    return _account_of(uid, dropped=False)


def _service_account() -> Account:
    for name in SERVICE_ACCOUNTS:
        try:
            return _account_of(pwd.getpwnam(name).pw_uid, dropped=True)
        except KeyError:
            continue
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and none of the users"
        f" {', '.join(SERVICE_ACCOUNTS)} exists: run relay as a normal user, or create the user `relay`"
    )


def _account_of(uid: int, *, dropped: bool) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(name=f"user {uid}", uid=uid, gid=os.getegid() if not dropped else uid, dropped=dropped)
    return Account(name=entry.pw_name, uid=uid, gid=entry.pw_gid, dropped=dropped)
