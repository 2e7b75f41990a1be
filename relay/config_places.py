"""The kinds of value that name a place: where Relay listens, by which names, and where alerts are sent."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainValidator

_SLACK_PREFIX = "slack+"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen: a host name or IP address without brackets, and a port (0 = any free one)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "127.0.0.1:9420", "[::1]:9420" or "localhost:0".

        Raises:
            ValueError: It has no host, no port, or something else beside them.
        """
        try:
            parts = urlsplit(f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port is None or text.rpartition(":")[0].strip("[]").lower() != host:
            raise ValueError(f'{text!r} is not an address; write host:port, for example "127.0.0.1:9420"')
        return cls(host=host, port=port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixSocket:
    """Where to listen on this machine alone: a socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


def is_local(place: Address | UnixSocket | None) -> bool:
    """Say whether only this machine can reach a place."""
    if not isinstance(place, Address) or place.host == "localhost":
        return True
    try:
        return ip_address(place.host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSink:
    """Where alerts are sent: a URL, and whether it takes the form of Slack's incoming webhooks.

    Whoever knows such a URL can often write there, so all but its host is left out wherever it is shown.
    """

    url: str = field(repr=False)
    is_slack: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "https://host/path" or "slack+https://host/path".

        Raises:
            ValueError: It is neither; the message does not repeat it.
        """
        url = text.removeprefix(_SLACK_PREFIX)
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username is not None:
            raise ValueError(
                'is not a URL; write "https://host/path", or "slack+https://host/path" for Slack'
            )
        return cls(url=url, is_slack=url != text)

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{_SLACK_PREFIX if self.is_slack else ''}{parts.scheme}://{parts.netloc}/***"


def split_words(value: object) -> object:
    """Text becomes a list: from the environment and from credentials a list comes as one line or several."""
    if isinstance(value, str):
        return [part for part in re.split(r"[,\s]+", value) if part]
    return value


def _address(value: object) -> Address | None:
    if isinstance(value, Address):
        return value
    return Address.parse(str(value)) if value else None


def _place(value: object) -> Address | UnixSocket | None:
    if isinstance(value, UnixSocket):
        return value
    if isinstance(value, str) and value.startswith("unix:"):
        path = Path(value.removeprefix("unix:"))
        if not path.is_absolute():
            raise ValueError(
                f'{value!r} has no absolute path; write for example "unix:/run/relay/admin.sock"'
            )
        return UnixSocket(path=path)
    return _address(value)


def _host_name(value: object) -> str:
    """Return a host as browsers send it: in lower case, without a port."""
    text = str(value).strip().lower()
    if not _HOST.fullmatch(text):
        raise ValueError(
            f"{value!r} is not the name of a host; write for example relay.example.com, without a port"
        )
    return text


def _alert_sink(value: object) -> AlertSink:
    return value if isinstance(value, AlertSink) else AlertSink.parse(str(value))


AlertSinks = Annotated[
    tuple[Annotated[AlertSink, PlainValidator(_alert_sink)], ...], BeforeValidator(split_words)
]
ListenAddress = Annotated[Address | None, BeforeValidator(_address)]
ListenPlace = Annotated[Address | UnixSocket | None, BeforeValidator(_place)]
HostNames = Annotated[tuple[Annotated[str, PlainValidator(_host_name)], ...], BeforeValidator(split_words)]
