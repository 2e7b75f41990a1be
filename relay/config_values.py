"""The kinds of value that configuration keys have, each read from what TOML or one line of text can say."""

import base64
import binascii
import re
from datetime import timedelta
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretBytes, SecretStr

from relay.config_places import split_words
from relay.durations import format_duration, parse_duration, parse_size

_HIGHEST_PORT = 65535
_MASTER_KEY_BYTES = 32
_SIGNING_PREFIX = "whsec_"
_SIGNING_KEY_BYTES = range(24, 65)
_PORTS = re.compile(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?")
_LONGEST_TENANT = 255
_PRINTABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def shown(value: object) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """Return a value as a person would write it in TOML, with secrets masked; None (not set) becomes ""."""
    match value:
        case timedelta():
            return format_duration(value)
        case range():
            return value[0] if len(value) == 1 else f"{value[0]}-{value[-1]}"
        case tuple():
            return [shown(each) for each in value]
        case SecretStr():
            return _masked(value.get_secret_value())
        case SecretBytes():
            return "***"
        case None:
            return ""
        case bool() | int() | float():
            return value
        case _:
            return str(value)


def _masked(secret: str) -> str:
    return f"{_SIGNING_PREFIX}***" if secret.startswith(_SIGNING_PREFIX) else mask_dsn(secret)


def mask_dsn(dsn: str) -> str:
    """Return the DSN with every password in it replaced by `***`, for people to see."""
    shown = re.sub(r"(?<=://)(.*)@", _mask_password, dsn, count=1)  # a "/" may stand in a password
    return re.sub(r"(?i)([?&][^=&]*password=)[^&#]*", r"\1***", shown)


def _mask_password(userinfo: re.Match[str]) -> str:
    user, colon, _ = userinfo[1].partition(":")
    return f"{user}:***@" if colon else f"{user}@"


def _positive(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("must be more than zero")
    return duration


def _duration_or_none(value: object) -> timedelta | None:
    return None if value == "" else parse_duration(value)


def _not_a_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number; write a number")  # noqa: TRY004 - pydantic reports ValueErrors
    return value


def _split_at_commas(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f'{error}; write a network such as "10.0.0.0/8" or "fd00::/8"') from None


def _ports(value: object) -> range:
    if isinstance(value, range):
        return value
    found = _PORTS.fullmatch(str(value).strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= _HIGHEST_PORT:
        raise ValueError(f'{value!r} is not a port; write for example 443 or "1024-65535"')
    return range(first, last + 1)


def _permanent_status(value: object) -> int:
    text = "" if isinstance(value, bool) else str(value).strip()
    if not re.fullmatch(r"[345][0-9]{2}", text):
        raise ValueError(f"{value!r} is no status of a failure; write 300 to 599, for example 400")
    if int(text) == HTTPStatus.TOO_MANY_REQUESTS:
        raise ValueError("429 asks to come back later, so it cannot be permanent; leave it out")
    return int(text)


def _master_key(value: object) -> SecretBytes:
    """Decode one key. The message never repeats the value."""
    text = value.get_secret_value() if isinstance(value, SecretStr | SecretBytes) else value
    if isinstance(text, bytes) and len(text) == _MASTER_KEY_BYTES:
        return SecretBytes(text)
    try:
        key = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _MASTER_KEY_BYTES:
        raise ValueError("is not the base64 of 32 bytes; `relay secrets generate-key` makes one")
    return SecretBytes(key)


def _signing_secret(value: SecretStr) -> SecretStr:
    """Check the form of a secret that signs. The message never repeats the value."""
    text = value.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(_SIGNING_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if text and not (text.startswith(_SIGNING_PREFIX) and len(key) in _SIGNING_KEY_BYTES):
        raise ValueError(
            'is not "whsec_" and the base64 of 24 to 64 bytes; write it as the receiver knows it'
        )
    return value


def _dsn(value: SecretStr) -> SecretStr:
    """Check the kind of DSN only; the rest is for the driver. The message never repeats the value."""
    if not re.match(r"(postgresql|postgres)://|\Z", value.get_secret_value()):
        raise ValueError(
            'must begin with postgresql://, for example "postgresql://relay@/app?host=/run/postgresql"'
        )
    return value


def _path(value: object) -> object:
    """Turn the empty text into None: TOML has no null."""
    return None if value == "" else value


def _absolute(value: Path | None) -> Path | None:
    if value is not None and not value.is_absolute():
        raise ValueError(
            f"{str(value)!r} is not an absolute path; the service has no working directory of its own"
        )
    return value


def _tenant(value: str) -> str:
    if not value or len(value) > _LONGEST_TENANT or "\0" in value:
        raise ValueError(
            f"must be 1 to {_LONGEST_TENANT} characters: the tenant without a name is the applications'"
        )
    return value


def _header_value(value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise ValueError("must be printable ASCII without spaces around it: it is sent as a header")
    return value


Tenant = Annotated[str, AfterValidator(_tenant)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
OptionalDuration = Annotated[
    Annotated[timedelta, AfterValidator(_positive)] | None, BeforeValidator(_duration_or_none)
]
Durations = Annotated[tuple[PositiveDuration, ...], BeforeValidator(split_words)]
Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Count = Annotated[int, BeforeValidator(_not_a_boolean), Field(gt=0)]
Ratio = Annotated[float, BeforeValidator(_not_a_boolean), Field(ge=0, le=1)]
Factor = Annotated[float, BeforeValidator(_not_a_boolean), Field(ge=1, le=1000)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(split_words)]
Ports = Annotated[tuple[Annotated[range, PlainValidator(_ports)], ...], BeforeValidator(_split_at_commas)]
Statuses = Annotated[
    tuple[Annotated[int, PlainValidator(_permanent_status)], ...], BeforeValidator(split_words)
]
MasterKeys = Annotated[
    tuple[Annotated[SecretBytes, PlainValidator(_master_key)], ...], BeforeValidator(split_words)
]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
Dsn = Annotated[SecretStr, AfterValidator(_dsn)]
AbsolutePath = Annotated[Path | None, BeforeValidator(_path), AfterValidator(_absolute)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
