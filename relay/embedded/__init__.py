"""PostgreSQL as a child of this process, for those who have no server."""

from relay.embedded.errors import AlreadyRunning, EmbeddedError, NoBinaries, WrongMajorVersion
from relay.embedded.location import default_data_dir, running_dsn
from relay.embedded.postgres import EmbeddedPostgres
from relay.embedded.reset import reset

__all__ = [
    "AlreadyRunning",
    "EmbeddedError",
    "EmbeddedPostgres",
    "NoBinaries",
    "WrongMajorVersion",
    "default_data_dir",
    "reset",
    "running_dsn",
]
