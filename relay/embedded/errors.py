class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says what to do."""


class NoBinaries(EmbeddedError):  # noqa: N818 - a public name, it says what is the matter
    """No usable PostgreSQL binaries were found."""


class WrongMajorVersion(EmbeddedError):  # noqa: N818 - a public name, it says what is the matter
    """The data directory was made by another major version of PostgreSQL."""


class AlreadyRunning(EmbeddedError):  # noqa: N818 - a public name, it says what is the matter
    """Another living owner runs a server on this data directory.

    Attributes:
        dsn: where that server accepts connections, or None if it does not yet.
        owner_pid: the process that owns it, or None if unknown.
    """

    def __init__(self, message: str, *, dsn: str | None, owner_pid: int | None) -> None:
        super().__init__(message)
        self.dsn = dsn
        self.owner_pid = owner_pid
