"""Every route of the API that asks for a token; each stands in the file that answers it."""

from relay.admin.api import (
    deliveries,
    endpoint_actions,
    endpoints,
    events,
    operations,
    sending,
    system,
    tokens,
)

ALL = (
    *endpoints.ROUTES,
    *endpoint_actions.ROUTES,
    *events.ROUTES,
    *deliveries.ROUTES,
    *operations.ROUTES,
    *sending.ROUTES,
    *system.ROUTES,
    *tokens.ROUTES,
)
