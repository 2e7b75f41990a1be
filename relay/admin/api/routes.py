"""Every route of the API, as the listener takes them."""

from relay.admin.api import catalogue, openapi
from relay.admin.api.described import PREFIX
from relay.admin.api.serving import served
from relay.admin.routes import Route

ROUTES: tuple[Route, ...] = (
    Route(method="GET", path=f"{PREFIX}/openapi.json", answer=openapi.serve, scope=None),
    *(served(each) for each in catalogue.ALL),
)
