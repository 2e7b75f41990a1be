from pathlib import Path

from relay.embedded.account import Account
from relay.embedded.children import run
from relay.embedded.errors import EmbeddedError


def can_enter(folder: Path, account: Account) -> bool:
    """Ask the system, as the server's user, whether that user may enter a folder (and all above it)."""
    try:
        run(["/bin/sh", "-c", 'test -x "$0"', folder], account, limit=10)
    except EmbeddedError:
        return False
    return True


def require_way_to(folder: Path, account: Account) -> None:
    """Check that the server's user can enter `folder`.

    Raises:
        EmbeddedError: it cannot; the message names the outermost folder that is closed.
    """
    if can_enter(folder, account):
        return
    ways = (*reversed(folder.parents), folder)
    closed = next((way for way in ways if not can_enter(way, account)), folder)
    raise EmbeddedError(
        f"{account.name}, who runs PostgreSQL, may not enter {closed} on the way to the data directory:"
        " choose another data_dir (root's default is in /var/lib/relay), or run relay as a normal user"
    )
