import os
from collections.abc import Mapping
from pathlib import Path

from relay.embedded.errors import EmbeddedError
from relay.embedded.postmaster import READY, dsn_of, running


def default_data_dir(environment: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """Return where the data directory is unless told otherwise.

    The service's state directory under systemd, `/var/lib/relay/embedded` for root, else the user's own
    folder for data (XDG Base Directory Specification).
    """
    if state := environment.get("STATE_DIRECTORY"):  # systemd's, a list
        return Path(state.partition(":")[0]) / "embedded"
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib/relay/embedded")
    data_home = environment.get("XDG_DATA_HOME")
    return (Path(data_home) if data_home else Path.home() / ".local" / "share") / "relay" / "embedded"


def running_dsn(data_dir: Path) -> str | None:
    """Return the connection string of the server on `data_dir`, or None if none accepts connections.

    Raises:
        EmbeddedError: this user may not look.
    """
    try:
        server = running(data_dir.resolve())
    except PermissionError as error:
        raise EmbeddedError(f"cannot look into {data_dir}: run as its owner or as root") from error
    if server is None or server.status != READY or server.socket_dir is None:
        return None
    return dsn_of(server.socket_dir)
