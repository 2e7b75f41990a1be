"""`relay secrets`: master keys, which seal the endpoints' secrets."""

import base64
import os
import secrets as random
from pathlib import Path

import click

from relay.cli.common import Access, OutputFormat, output_option, with_access
from relay.cli.output import show_one
from relay.store import sealing

KEY_BYTES = 32


@click.group()
def secrets() -> None:
    """Make master keys, and seal secrets with them."""


@secrets.command()
@with_access
@output_option()
def rewrap(access: Access, output: OutputFormat) -> None:
    """Seal every endpoint's secret with the first key of security.master_key.

    To change master keys: put the new one first and reload the relay, run this, then take the old one away. Requests go
    on being signed meanwhile.
    """
    box = access.box
    if box.current is None:
        raise click.UsageError("security.master_key is empty; `relay secrets generate-key` makes one")
    sealed, unreadable = access.run(lambda session: sealing.seal_all(session, box))
    show_one({"sealed": sealed, "unreadable": unreadable, "key_id": box.current}, output)
    if unreadable:
        raise click.ClickException(
            f"{unreadable} secrets cannot be opened with these keys; add the key that sealed them, or rotate them"
        )


@secrets.command("generate-key")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write it to this new file, readable by you alone."
)
def generate_key(output: Path | None) -> None:
    """Print a new master key for security.master_key: the base64 of 32 random bytes."""
    key = base64.b64encode(random.token_bytes(KEY_BYTES)).decode("ascii")
    if output is None:
        click.echo(key)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise click.ClickException(
            f"{output} exists; a master key is never overwritten, since what it sealed would be lost"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{output} cannot be made: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key}\n")
    click.echo(f"wrote a new master key to {output}", err=True)
