import shutil
from pathlib import Path

from relay.embedded.account import choose_account
from relay.embedded.cluster import remove_drafts
from relay.embedded.errors import EmbeddedError
from relay.embedded.leftovers import clear_up
from relay.embedded.ownership import Ownership, owner_file
from relay.embedded.serverlog import log_file

WAIT_FOR_A_STOP = 5.0


def reset(data_dir: Path) -> None:
    """Delete a data directory and what lies beside it, for good.

    Raises:
        AlreadyRunning: a server runs on it.
        EmbeddedError: it is not a PostgreSQL data directory.
    """
    data_dir = data_dir.resolve()
    if not (data_dir / "PG_VERSION").is_file():
        raise EmbeddedError(f"{data_dir} is not a PostgreSQL data directory: nothing was deleted")
    ownership = Ownership.acquire(data_dir, choose_account(data_dir), WAIT_FOR_A_STOP)
    try:
        clear_up(data_dir, ownership.record)
        shutil.rmtree(data_dir)
        remove_drafts(data_dir)
        for path in (log_file(data_dir), Path(f"{log_file(data_dir)}.1"), owner_file(data_dir)):
            path.unlink(missing_ok=True)
    finally:
        ownership.release()
