"""`relay secrets`: master keys, which seal the endpoints' secrets."""

import base64
import os
import secrets as random
from pathlib import Path

import click

KEY_BYTES = 32


@click.group()
def secrets() -> None:
    """Make master keys."""


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
