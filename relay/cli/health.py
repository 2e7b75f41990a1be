"""`relay health`: ask the running relay how it is."""

import http.client
from pathlib import Path

import click

from relay.cli.common import config_options, load_settings

LIMIT = 5.0


@click.command()
@config_options
@click.option("--ready", is_flag=True, help="Ask whether it is ready, not only alive.")
def health(*, config: Path | None, dsn: str | None, ready: bool) -> None:
    """Ask the relay on this machine how it is; exit 0 if well, 1 if not or if none answers."""
    address = load_settings(config, dsn).metrics.listen
    if address is None:
        raise click.ClickException(
            "metrics.listen is empty, so the relay cannot be asked; set it to host:port"
        )
    connection = http.client.HTTPConnection(address.host, address.port, timeout=LIMIT)
    try:
        connection.request("GET", "/readyz" if ready else "/healthz")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise click.ClickException(
            f"no relay answers at {address.host}:{address.port} ({error}); is it running, with this configuration?"
        ) from error
    finally:
        connection.close()
    click.echo(body.decode("utf-8", "replace"))
    if response.status != http.client.OK:
        raise SystemExit(1)
