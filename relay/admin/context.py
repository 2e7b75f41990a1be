"""What the panel and the API work with; and the keys under which requests find it."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.admin.operations.endpoint_values import UrlRules
from relay.admin.principal import Principal
from relay.config import Settings
from relay.observe.readings import Readings
from relay.store.secrets import SecretBox
from relay.store.session_pool import SessionPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What handlers need.

    Attributes:
        sessions: For the database.
        settings: The configuration as it is now.
        box: Opens and seals secrets, as it is now.
        url_rules: Which URLs endpoints may have, as it is now.
        readings: What the process knows of itself without asking the database.
        is_secure: Whether browsers reach the panel by TLS.
    """

    sessions: SessionPool
    settings: Callable[[], Settings]
    box: Callable[[], SecretBox]
    url_rules: Callable[[], UrlRules]
    readings: Readings
    is_secure: bool


CONTEXT = web.AppKey("context", Context)
PRINCIPAL = web.RequestKey("principal", Principal)
