"""Relay's settings: the model, and `load`, which fills it from options, environment, credentials and file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from relay import __version__
from relay.config_sources import ConfigError, Problem, Value, read_values
from relay.config_values import (
    AbsolutePath,
    Address,
    AlertSinks,
    Count,
    Dsn,
    Duration,
    Durations,
    Factor,
    HeaderValue,
    ListenAddress,
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
    shown,
)

__all__ = ["ConfigError", "LoadedSettings", "Settings", "changed_needing_restart", "load"]

DEFAULT_PATH = Path("/etc/relay/config.toml")
_NEED_RESTART = (
    "database.",
    "embedded.",
    "metrics.",
    "delivery.max_in_flight",
    "delivery.max_in_flight_bytes",
    "delivery.max_payload_bytes",
    "security.ca_bundle",
)
_ORDERED = (  # the first must not exceed the second
    ("delivery.max_payload_bytes", "delivery.max_in_flight_bytes"),
    ("retry.base", "retry.max_delay"),
    ("retry.base", "retry.max_age"),
    ("breaker.open_for", "breaker.max_open_for"),
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
    alerts: Alerts = Alerts()
    retention: Retention = Retention()
    metrics: Metrics = Metrics()
    log: Log = Log()
    embedded: Embedded = Embedded()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings, and for every key ("delivery.timeout") the place its value came from."""

    settings: Settings
    sources: Mapping[str, str]


def known_keys() -> dict[str, tuple[str, ...]]:
    """Return the names of all keys by section, in the order of the model."""
    return {section: tuple(type(part).model_fields) for section, part in Settings()}


def flatten(settings: Settings) -> dict[str, Any]:
    """Return every value under its dotted key, in the order of the model."""
    return {f"{section}.{key}": value for section, part in settings for key, value in part}


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> LoadedSettings:
    """Read the configuration of this process.

    Args:
        path: The TOML file; else $RELAY_CONFIG; else /etc/relay/config.toml, which need not exist.
        overrides: Command-line options by dotted key; None means that the option was not given.

    Raises:
        ConfigError: Anything is wrong, with every problem there is.
    """
    values, problems = read_values(known_keys(), os.environ, _file(path), overrides or {})
    settings, wrong = _validate(values)
    bad_keys = frozenset(problem.key for problem in wrong)
    problems = (*problems, *wrong, *_contradictions(settings, values, bad_keys))
    if problems:
        raise ConfigError(tuple(str(problem) for problem in problems))
    sources = {key: values[key].origin if key in values else "default" for key in flatten(settings)}
    return LoadedSettings(settings=settings, sources=MappingProxyType(sources))


def changed_needing_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Return the dotted keys that differ and that a running relay cannot take over by a reload."""
    after = flatten(new)
    return tuple(
        key
        for key, value in flatten(old).items()
        if value != after[key] and (key in _NEED_RESTART or f"{key.partition('.')[0]}." in _NEED_RESTART)
    )


def _file(path: Path | None) -> Path | None:
    """Return the file to read; one that was named must exist, the default one need not."""
    if path is not None:
        return path
    if named := os.environ.get("RELAY_CONFIG"):
        return Path(named)
    return DEFAULT_PATH if DEFAULT_PATH.exists() else None


def _validate(values: Mapping[str, Value]) -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings with the default in place of what is wrong, and a problem for each of those."""
    try:
        return Settings.model_validate(_nest(values)), ()
    except ValidationError as error:
        reasons: dict[str, list[str]] = {}
        for detail in error.errors(include_url=False, include_input=False):
            key = ".".join(str(part) for part in detail["loc"][:2])
            reasons.setdefault(key, []).append(str(detail.get("ctx", {}).get("error", detail["msg"])))
    rest = {key: value for key, value in values.items() if key not in reasons}
    problems = (
        Problem(key=key, origin=values[key].origin, reason="; ".join(why)) for key, why in reasons.items()
    )
    return Settings.model_validate(_nest(rest)), tuple(problems)


def _nest(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        nested.setdefault(section, {})[key] = value.value
    return nested


def _contradictions(
    settings: Settings, values: Mapping[str, Value], ignored: frozenset[str]
) -> Iterator[Problem]:
    """Find values that do not go together; those with an ignored key have been complained about already."""
    flat = flatten(settings)
    for lesser, greater in _ORDERED:
        if flat[lesser] > flat[greater] and not ignored & {lesser, greater}:
            origin = values[lesser].origin if lesser in values else "default"
            reason = f"is {shown(flat[lesser])}, more than {greater}, {shown(flat[greater])}"
            yield Problem(key=lesser, origin=origin, reason=f"{reason}; lower it or raise that")
    unsigned = [sink for sink in settings.alerts.sinks if not sink.is_slack]
    if unsigned and not settings.alerts.secret.get_secret_value() and "alerts.secret" not in ignored:
        reason = f"is missing, and nothing is sent unsigned to {unsigned[0]}; write one, best as a credential"
        yield Problem(key="alerts.secret", origin=values["alerts.sinks"].origin, reason=reason)
