"""Which URLs endpoints may have here."""

from relay.admin.operations.endpoint_values import UrlRules
from relay.config import Settings
from relay.http.addresses import AddressPolicy
from relay.http.guard import OwnAddresses


def url_rules(settings: Settings) -> UrlRules:
    """Return which URLs an endpoint may have, by the configuration and this host's own addresses."""
    security = settings.security
    return UrlRules(
        allow_http=security.allow_http,
        allow_ports=security.allow_ports,
        policy=AddressPolicy(allow_cidrs=security.allow_cidrs, deny_cidrs=security.deny_cidrs),
        own=OwnAddresses().current(),
    )
