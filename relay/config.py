"""Relay's settings: `load` fills the model from options, environment, credentials and file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from relay.config_checks import contradictions
from relay.config_sections import Alerts, Delivery, Retention, Security, Settings, flatten, known_keys
from relay.config_sources import ConfigError, Problem, Value, read_values

__all__ = [
    "Alerts",
    "ConfigError",
    "Delivery",
    "LoadedSettings",
    "Retention",
    "Security",
    "Settings",
    "changed_needing_restart",
    "flatten",
    "known_keys",
    "load",
]

DEFAULT_PATH = Path("/etc/relay/config.toml")
_NEED_RESTART = (
    "admin.",
    "database.",
    "embedded.",
    "metrics.",
    "delivery.max_in_flight",
    "delivery.max_in_flight_bytes",
    "delivery.max_payload_bytes",
    "security.ca_bundle",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings, and for every key ("delivery.timeout") the place its value came from."""

    settings: Settings
    sources: Mapping[str, str]


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
    problems = (
        *problems,
        *wrong,
        *contradictions(settings, values, bad_keys),
    )
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
