"""Every route of the API."""

from relay.admin.api import whoami
from relay.admin.routes import Route

ROUTES: tuple[Route, ...] = (Route(method="GET", path="/api/v1/whoami", answer=whoami.whoami, scope="read"),)
