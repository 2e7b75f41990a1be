"""`relay secrets`: master keys, which seal the endpoints' secrets."""

import base64
import os
import secrets as random
from pathlib import Path

import click

from relay.cli.common import Access, OutputFormat, output_option, with_access
from relay.cli.output import show_one
from relay.store import sealing
from relay.store.secrets import SecretBox
from relay.store.session import Session

KEY_BYTES = 32


@click.group()
def secrets() -> None:
    """Make master keys, and seal secrets with them."""


@secrets.command()
@with_access
@click.option(
    "--force",
    is_flag=True,
    help="Even if a running relay does not hold that key: it then sends nothing until it is given it.",
)
@output_option()
def rewrap(access: Access, *, force: bool, output: OutputFormat) -> None:
    """Seal every endpoint's secret with the first key of security.master_key.

    To change master keys: put the new one first and reload the relay, run this, then take the old one away. Requests go
    on being signed meanwhile. Nothing is sealed if a running relay could not open it.
    """
    box, key_id = access.box, access.box.current
    if key_id is None:
        raise click.UsageError("security.master_key is empty; `relay secrets generate-key` makes one")
    sealed, unreadable = access.run(lambda session: _seal(session, box, key_id, force=force))
    show_one({"sealed": sealed, "unreadable": unreadable, "key_id": key_id}, output)
    if unreadable:
        raise click.ClickException(
            f"{unreadable} secrets cannot be opened with these keys; add the key that sealed them, or rotate them"
        )


async def _seal(session: Session, box: SecretBox, key_id: str, *, force: bool) -> tuple[int, int]:
    if not force and (lacking := await sealing.relays_without(session, key_id)):
        raise click.ClickException(
            f"nothing was sealed with master key {key_id}: {'; '.join(lacking)}. Put it into security.master_key of"
            " every relay, standbys too, and reload them; --force seals all the same, and such a relay then sends"
            " nothing until it has the key"
        )
    return await sealing.seal_all(session, box)


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
