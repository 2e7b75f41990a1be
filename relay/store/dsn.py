"""Where a connection string leads, and whether anyone on the way could read along.

The driver itself is asked. Besides the string it heeds service files and the environment, each with a rank of its own,
so that rules read off the string would sooner or later say something else than it does.
"""

import configparser
from ipaddress import ip_address
from typing import Any

from asyncpg import connect_utils
from asyncpg.exceptions import ClientConfigurationError

_UNSAID = dict.fromkeys((
    "host", "port", "passfile", "database", "service", "servicefile", "direct_tls", "server_settings",
    "target_session_attrs", "krbsrvname", "gsslib",
))  # fmt: skip
"""What `asyncpg.connect` may be told besides the string, and is not."""


class UnusableDsn(ValueError):  # noqa: N818 - it says what the string is
    """A connection string that the driver will not take; the message never has its password."""


def database_hosts(dsn: str) -> list[str]:
    """Return the hosts across a network that the driver would connect to, in its order.

    Raises:
        UnusableDsn: It would not take the string.
    """
    addresses, _ = _as_the_driver_has_it(dsn, ssl=False)  # which has it look at no certificates
    return [address[0] for address in addresses if isinstance(address, tuple) and not _is_here(address[0])]


def exposed_hosts(dsn: str) -> list[str]:
    """Return the hosts across a network to which the connection is not verified TLS.

    The driver's default falls back to plain text without a word, and weaker modes than `verify-full` let anyone in
    between pose as the server.

    Raises:
        UnusableDsn: The driver would not take the string.
    """
    _, parameters = _as_the_driver_has_it(dsn, ssl=None)
    return [] if parameters.sslmode is connect_utils.SSLMode.verify_full else database_hosts(dsn)


def _as_the_driver_has_it(dsn: str, *, ssl: bool | None) -> tuple[list[Any], Any]:
    """Return the driver's addresses, of sockets as text and of hosts with their port, and its other parameters."""
    try:
        # User and password are not asked for: it would look for them in the system and in files.
        return connect_utils._parse_connect_dsn_and_args(  # type: ignore[no-any-return,attr-defined]  # noqa: SLF001 - what `asyncpg.connect` begins with
            dsn=dsn,
            ssl=ssl,
            user="any",
            password="any",  # noqa: S106 - nobody's
            **_UNSAID,
        )
    except ClientConfigurationError as error:
        raise UnusableDsn(str(error)) from error
    except OSError as error:
        raise UnusableDsn(f"a certificate or key that it names cannot be read ({error.strerror})") from error
    except configparser.Error as error:
        raise UnusableDsn(f"its service file cannot be read ({type(error).__name__})") from error
    except ValueError as error:  # of a number; what was taken for one may be a part of the password
        raise UnusableDsn("a port, or the part behind the question mark, cannot be read") from error


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
