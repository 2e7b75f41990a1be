"""The certificate that the panel shows."""

import ssl

from relay.config_sections import Admin
from relay.observe.health import CannotListen


def tls_of(settings: Admin) -> ssl.SSLContext | None:
    """Return how the listener speaks TLS; None if it does not.

    Raises:
        CannotListen: The certificate or its key cannot be used.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise CannotListen(
            f"cannot use admin.tls_certificate {certificate} with admin.tls_key {key} ({_reason(error)}); both have "
            "to be PEM files that Relay may read, the key that of the certificate and not encrypted"
        ) from error
    return context


def _no_password() -> str:
    # Without this OpenSSL asks the terminal, and a daemon would wait for an answer.
    raise ValueError("the key is encrypted")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "no PEM file"
    return str(error.strerror if isinstance(error, OSError) else error)
