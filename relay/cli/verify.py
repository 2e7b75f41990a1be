"""`relay verify`: checks one signature by hand, as a receiver would."""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource

from relay.receiver.verify import VerificationError, Verified
from relay.receiver.verify import verify as verify_signature

MAX_BODY = 64 * 1024 * 1024
# Not signed in the format x-webhook, so a check by hand can go without it.
UNKNOWN_ID = "-"

Format = Literal["standard", "x-webhook", "any"]


@click.command()
@click.option("--body", help="The body as text; otherwise --body-file, otherwise stdin.")
@click.option(
    "--body-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the body."
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="May be repeated.")
@click.option("--id", "event_id", help="The value of webhook-id or X-Webhook-Id.")
@click.option("--timestamp", help="The value of webhook-timestamp.")
@click.option("--signature", help="The value of webhook-signature or X-Webhook-Signature.")
@click.option(
    "--secret", "secrets", multiple=True, envvar="RELAY_SECRET", help="May be repeated; or $RELAY_SECRET."
)
@click.option("--format", "fmt", type=click.Choice(["standard", "x-webhook", "any"]), default="any")
@click.option("--tolerance", type=click.FloatRange(min=0), default=300, help="Seconds; default 300.")
@click.option("--now", type=float, help="Unix time to compare with; by default the clock's.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "jsonl"]), help="Default: table.")
@click.pass_context
def verify(
    context: click.Context,
    *,
    body: str | None,
    body_file: Path | None,
    headers: tuple[str, ...],
    event_id: str | None,
    timestamp: str | None,
    signature: str | None,
    secrets: tuple[str, ...],
    fmt: Format,
    tolerance: float,
    now: float | None,
    output: str | None,
) -> None:
    """Check the signature of one request; exit 0 if it is right, 1 if it is not."""
    if not secrets:
        raise click.UsageError("Give the secret in the environment variable RELAY_SECRET, or with --secret.")
    if context.get_parameter_source("secrets") is ParameterSource.COMMANDLINE:
        click.echo("Note: --secret stays in the shell's history; RELAY_SECRET does not.", err=True)
    pairs = [_split_header(header) for header in headers]
    pairs += _named_headers(event_id, timestamp, signature)
    judge = partial(
        verify_signature,
        headers=_completed(pairs),
        secrets=secrets,
        format=fmt,
        tolerance=tolerance,
        now=time.time() if now is None else now,
    )
    _report(_read_body(body, body_file), judge, as_json=output in {"json", "jsonl"})


def _report(body: bytes, judge: Callable[[bytes], Verified], *, as_json: bool) -> None:
    """Print what `judge` says of the body, and exit with 1 if it is not valid."""
    try:
        _print_success(judge(body), as_json=as_json)
    except VerificationError as error:
        _print_failure(error, as_json=as_json)
        if _is_right_without_last_newline(body, judge):
            click.echo(
                "The signature fits the body without its last line end; use printf, not echo.", err=True
            )
        sys.exit(1)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None


def _completed(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if not pairs:
        raise click.UsageError("Give the headers: -H 'NAME: VALUE', or --id, --timestamp and --signature.")
    names = {name.lower() for name, _ in pairs}
    if "x-webhook-signature" in names and "x-webhook-id" not in names:
        return [*pairs, ("X-Webhook-Id", UNKNOWN_ID)]
    return pairs


def _split_header(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"{name!r} is no header; write -H 'NAME: VALUE'.")
    return name.strip(), value.strip()


def _named_headers(
    event_id: str | None, timestamp: str | None, signature: str | None
) -> list[tuple[str, str]]:
    """Return the headers that the short options stand for; the signature itself tells its format."""
    if signature is not None and signature.lstrip().startswith("t="):
        named = {"X-Webhook-Id": event_id, "webhook-timestamp": timestamp, "X-Webhook-Signature": signature}
    else:
        named = {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    return [(name, value.strip()) for name, value in named.items() if value is not None]


def _read_body(body: str | None, body_file: Path | None) -> bytes:
    if body is not None and body_file is not None:
        raise click.UsageError("Give --body or --body-file, not both.")
    if body is not None:
        return body.encode("utf-8", "surrogateescape")
    if body_file is not None:
        with body_file.open("rb") as file:
            content = file.read(MAX_BODY + 1)
    else:
        if sys.stdin.isatty():
            click.echo("Reading the body from the terminal; end it with Ctrl-D.", err=True)
        content = sys.stdin.buffer.read(MAX_BODY + 1)
    if len(content) > MAX_BODY:
        raise click.UsageError(f"The body is longer than {MAX_BODY} bytes.")
    return content


def _is_right_without_last_newline(body: bytes, judge: Callable[[bytes], Verified]) -> bool:
    trimmed = body.removesuffix(b"\n").removesuffix(b"\r")
    if trimmed == body:
        return False
    try:
        judge(trimmed)
    except VerificationError:
        return False
    return True


def _print_success(verified: Verified, *, as_json: bool) -> None:
    event_id = None if verified.event_id == UNKNOWN_ID else verified.event_id
    if as_json:
        answer = {"ok": True, "id": event_id, "timestamp": verified.timestamp, "format": verified.format}
        click.echo(json.dumps(answer))
        return
    click.echo(f"OK  id={event_id or '(not given)'} timestamp={verified.timestamp} format={verified.format}")


def _print_failure(error: VerificationError, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ok": False, "reason": error.reason, "message": str(error)}))
        return
    click.echo(f"NOT VALID  {error.reason}: {error}")
