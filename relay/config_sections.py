"""The model of the settings: every section and key with its kind and default."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from relay import __version__
from relay.config_places import Address, AlertSinks, HostNames, ListenAddress, ListenPlace
from relay.config_values import (
    AbsolutePath,
    Count,
    Dsn,
    Duration,
    Durations,
    Factor,
    HeaderValue,
    MasterKeys,
    Networks,
    OptionalDuration,
    Ports,
    PositiveDuration,
    Ratio,
    SigningSecret,
    Size,
    Statuses,
    Tenant,
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Database(_Section):
    """`[database]`: which one, and how Relay notices new events in it."""

    dsn: Dsn = SecretStr("")
    reader_dsn: Dsn = SecretStr("")
    allow_plaintext: bool = False
    listen: bool = True
    poll_interval: PositiveDuration = timedelta(seconds=1)


class Delivery(_Section):
    """`[delivery]`: how much at once, and how long one attempt may take."""

    max_in_flight: Count = 2000
    max_in_flight_bytes: Size = 128 * 1024**2
    max_in_flight_per_endpoint: Count = 100
    timeout: PositiveDuration = timedelta(seconds=30)
    connect_timeout: PositiveDuration = timedelta(seconds=5)
    max_response_bytes: Size = 16 * 1024
    max_payload_bytes: Size = 256 * 1024
    user_agent: HeaderValue = "Relay/" + ".".join(__version__.split(".")[:2])
    drain: PositiveDuration = timedelta(seconds=35)


class Retry(_Section):
    """`[retry]`: when a failed delivery is tried again; a `schedule` replaces base and factor."""

    base: PositiveDuration = timedelta(seconds=5)
    factor: Factor = 5.0
    max_delay: PositiveDuration = timedelta(hours=12)
    max_age: PositiveDuration = timedelta(hours=72)
    jitter: Ratio = 0.2
    schedule: Durations = ()
    permanent_statuses: Statuses = ()


class Breaker(_Section):
    """`[breaker]`: when an endpoint that fails is left alone, for how long, and when it is disabled."""

    enabled: bool = True
    failure_ratio: Ratio = 0.7
    min_attempts: Count = 10
    window: PositiveDuration = timedelta(minutes=5)
    open_for: PositiveDuration = timedelta(seconds=30)
    max_open_for: PositiveDuration = timedelta(minutes=10)
    unhealthy_after: Count = 5
    disable_after: Duration = timedelta(hours=72)
    disable_min_attempts: Count = 20
    warn_before: Duration = timedelta(hours=24)


class Security(_Section):
    """`[security]`: where requests may go, and the keys that seal endpoints' secrets."""

    allow_http: bool = False
    allow_cidrs: Networks = ()
    deny_cidrs: Networks = ()
    allow_ports: Ports = (range(80, 81), range(443, 444), range(1024, 65536))
    master_key: MasterKeys = ()
    secret_overlap: Duration = timedelta(hours=24)
    ca_bundle: AbsolutePath = None


class Admin(_Section):
    """`[admin]`: where the panel and its API are served, and to whom; None = nowhere."""

    listen: ListenPlace = Address(host="127.0.0.1", port=8420)
    allowed_hosts: HostNames = ()
    behind_proxy: bool = False
    tls_certificate: AbsolutePath = None
    tls_key: AbsolutePath = None
    session_lifetime: PositiveDuration = timedelta(hours=12)


class Alerts(_Section):
    """`[alerts]`: what is worth an alert, and who hears of it; max_backlog_age None = never."""

    min_success_ratio: Ratio = 0.95
    window: PositiveDuration = timedelta(minutes=5)
    min_deliveries: Count = 20
    max_backlog_age: OptionalDuration = timedelta(hours=1)
    max_database_away: PositiveDuration = timedelta(seconds=15)
    sinks: AlertSinks = ()
    secret: SigningSecret = SecretStr("")
    tenant: Tenant = "operator"


class Retention(_Section):
    """`[retention]`: how long what is kept once it is over; payload None = as long as the event."""

    delivered: PositiveDuration = timedelta(days=7)
    dead: PositiveDuration = timedelta(days=30)
    payload: OptionalDuration = None


class Metrics(_Section):
    """`[metrics]`: where /metrics, /healthz and /readyz are served; None = nowhere."""

    listen: ListenAddress = Address(host="127.0.0.1", port=9420)
    max_endpoints: Count = 200


class Log(_Section):
    """`[log]`: what is written to stdout, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"
    sample_success: Ratio = 1.0


class Embedded(_Section):
    """`[embedded]`: the PostgreSQL that `--embedded` starts; None = Relay chooses."""

    data_dir: AbsolutePath = None
    bindir: AbsolutePath = None


class Settings(_Section):
    """Every setting, checked and frozen. `Settings()` is the defaults and reads nothing from outside."""

    database: Database = Database()
    delivery: Delivery = Delivery()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    security: Security = Security()
    admin: Admin = Admin()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()
    metrics: Metrics = Metrics()
    log: Log = Log()
    embedded: Embedded = Embedded()


def known_keys() -> dict[str, tuple[str, ...]]:
    """Return the names of all keys by section, in the order of the model."""
    return {section: tuple(type(part).model_fields) for section, part in Settings()}


def flatten(settings: Settings) -> dict[str, Any]:
    """Return every value under its dotted key, in the order of the model."""
    return {f"{section}.{key}": value for section, part in settings for key, value in part}
