"""The handful of connections that one relay keeps."""

from collections.abc import Mapping

from relay.observe.histogram import Histogram
from relay.store.session import (
    CAREFUL_SETTINGS,
    OPERATION_SETTINGS,
    PIPELINE_SETTINGS,
    RETENTION_SETTINGS,
    Session,
    Setup,
)


class Sessions:
    """One connection for each kind of work, so that none waits behind another.

    Args:
        dsn: Where the database is.
        setup: Run on the listening connection whenever it is made anew.
        timed: Gets how long the statements took that it names.
    """

    def __init__(self, dsn: str, *, setup: Setup | None, timed: Mapping[str, Histogram]) -> None:
        # Two seconds without an answer are two seconds in which another relay may take over.
        self.listener = Session(dsn, name="listener", timeout=2.0, setup=setup)
        self.look = Session(dsn, name="look", settings=PIPELINE_SETTINGS)
        self.fan_out = Session(dsn, name="fan-out", settings=PIPELINE_SETTINGS)
        self.claim = Session(dsn, name="claim", settings=PIPELINE_SETTINGS, timed=timed)
        self.record = Session(dsn, name="record", settings=PIPELINE_SETTINGS, timed=timed)
        # Whoever holds locks for long must not keep from their turn all that share this one.
        self.operations = Session(dsn, name="operations", settings=OPERATION_SETTINGS)
        self.retention = Session(dsn, name="retention", settings=RETENTION_SETTINGS, timeout=300.0)
        self.admin = Session(dsn, name="admin", settings={**CAREFUL_SETTINGS, "lock_timeout": "2s"})

    async def close(self) -> None:
        """Close them all."""
        for session in (
            self.look,
            self.fan_out,
            self.claim,
            self.record,
            self.operations,
            self.retention,
            self.admin,
            self.listener,
        ):
            await session.close()
