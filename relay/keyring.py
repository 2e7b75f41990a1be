"""The master keys of a running relay: checked at its start, changed over by a reload, used on what is not sealed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import asyncpg

from relay.config import ConfigError
from relay.endpoints.rows import EndpointRows
from relay.observe.logs import get_logger
from relay.store import sealing
from relay.store.secrets import SecretBox
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff

log = get_logger()


class Keyring:
    """Keeps the box that opens the endpoints' secrets.

    Args:
        box: With the keys of the start.
        rows: Read endpoints with it.
        session: One that moves no deliveries.
        announce: Tells the other relays, and the command line, which keys are held.
        changed: Called when other keys were taken over: endpoints are to be read again.
        refused: Called when they were not.
    """

    def __init__(
        self,
        *,
        box: SecretBox,
        rows: EndpointRows,
        session: Session,
        announce: Callable[[Iterable[str]], Awaitable[None]],
        changed: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._box = box
        self._rows = rows
        self._session = session
        self._announce = announce
        self._changed = changed
        self._refused = refused
        self._changing: asyncio.Task[None] | None = None

    @property
    def box(self) -> SecretBox:
        """What opens and seals secrets now."""
        return self._box

    async def check(self) -> None:
        """Refuse to start where a key is missing, and tell if there is none.

        Raises:
            ConfigError: A master key is missing that sealed secrets in the database.
        """
        await sealing.check(self._session, self._box)
        if self._box.current is None:
            log.warning("secrets.plain")

    def change(self, box: SecretBox) -> None:
        """Take over other keys, if there are others and they open all that is sealed."""
        if (box.current, box.key_ids) != (self._box.current, self._box.key_ids):
            self._changing = asyncio.create_task(self._take_over(box), name="master keys")

    async def seal_plain(self, *, active: asyncio.Event, backoff: Backoff) -> None:
        """Seal what was stored before there was a key: once this relay is the active one, which has it."""
        await active.wait()
        if self._box.current is None:
            return
        sealed = 0
        while True:
            try:
                sealed, _ = await sealing.seal_all(self._session, self._box, plain_only=True)
            except DatabaseAway as error:
                await backoff.failed(error)
                continue
            except asyncpg.PostgresError as error:  # the next start does it
                log.error("database.refused", part="sealing", detail=str(error))  # noqa: TRY400 - no traceback helps
            break
        backoff.succeeded()
        if sealed:
            log.info("secrets.sealed", count=sealed)

    async def _take_over(self, box: SecretBox) -> None:
        try:
            await sealing.check(self._session, box)
            await self._announce(box.key_ids)
        except (ConfigError, DatabaseAway, asyncpg.PostgresError) as error:
            problems = error.problems if isinstance(error, ConfigError) else (str(error),)
            log.error("config.rejected", problems=list(problems))  # noqa: TRY400 - a person made a slip
            self._refused()
            return
        self._box = self._rows.secrets = box
        self._changed()
