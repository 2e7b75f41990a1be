"""What this process serves: metrics and health at one place, the panel and its API at another."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from relay.admin.context import Context
from relay.admin.operations.url_rules import url_rules
from relay.config import Settings
from relay.observe.health import HealthServer
from relay.observe.logs import get_logger
from relay.observe.metrics import Metrics
from relay.observe.readings import Readings
from relay.store.secrets import SecretBox
from relay.store.session_pool import SessionPool

log = get_logger()


@asynccontextmanager
async def served(
    *,
    settings: Callable[[], Settings],
    dsn: str,
    box: Callable[[], SecretBox],
    readings: Readings,
    readiness: Callable[[], list[str]],
) -> AsyncIterator[None]:
    """Serve both for as long as the block runs, each if the settings have a place for it.

    Args:
        settings: Returns the configuration as it is now.
        dsn: The database; the panel has connections of its own to it.
        box: Returns what opens and seals secrets now.
        readings: The state of the process.
        readiness: Returns what stands against being ready.

    Raises:
        CannotListen: A place is taken.
    """
    async with AsyncExitStack() as stack:
        address = settings().metrics.listen
        if address is not None:
            health = HealthServer(address=address, readiness=readiness, metrics=Metrics(readings).render)
            stack.push_async_callback(health.stop)
            await health.start()
        if settings().admin.listen is not None:
            await _serve_admin(stack, settings=settings, dsn=dsn, box=box, readings=readings)
        yield


async def _serve_admin(
    stack: AsyncExitStack,
    *,
    settings: Callable[[], Settings],
    dsn: str,
    box: Callable[[], SecretBox],
    readings: Readings,
) -> None:
    from relay.admin.server import AdminServer  # noqa: PLC0415 - a relay without a panel needs no templates

    admin = settings().admin
    sessions = SessionPool(dsn, name="panel")
    stack.push_async_callback(sessions.close)
    context = Context(
        sessions=sessions,
        settings=settings,
        box=box,
        url_rules=lambda: url_rules(settings()),
        readings=readings,
        is_secure=admin.behind_proxy or admin.tls_certificate is not None,
    )
    server = AdminServer(context)
    stack.push_async_callback(server.stop)
    await server.start()
    log.info("admin.listening", place=str(server.place))
