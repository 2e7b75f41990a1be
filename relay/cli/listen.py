"""`relay listen`: a local receiver that verifies and prints every request, to try webhooks out."""

import asyncio
import base64
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import click

from relay.receiver.verify import VerificationError, verify

if TYPE_CHECKING:
    from aiohttp import web

MAX_BODY = 1024 * 1024
MAX_SHOWN = 4000
STOP_SECONDS = 2.0
FORMATS: tuple[tuple[Literal["standard", "x-webhook"], str], ...] = (
    ("standard", "webhook-signature"),
    ("x-webhook", "x-webhook-signature"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came, and what was made of it.

    Attributes:
        signatures: For each format, `ok`, the reason why not, `absent`, or `unchecked` without a secret.
        body: The body as text if it is UTF-8, else None.
        body_base64: The same in base64 if it is not.
    """

    number: int
    method: str
    path: str
    event_id: str | None
    event_type: str | None
    attempt: str | None
    signatures: dict[str, str]
    status: int
    body: str | None
    body_base64: str | None


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9000, help="Default 9000; 0 takes a free one.")
@click.option(
    "--secret", "secrets", multiple=True, envvar="RELAY_SECRET", help="May be repeated; or $RELAY_SECRET."
)
@click.option("--status", type=click.IntRange(200, 599), default=200, help="What to answer; default 200.")
@click.option(
    "--fail-first", type=click.IntRange(min=0), default=0, help="Answer 503 to the first N requests."
)
@click.option("-o", "--output", type=click.Choice(["table", "jsonl"]), help="Default: table on a terminal.")
def listen(port: int, secrets: tuple[str, ...], status: int, fail_first: int, output: str | None) -> None:
    """Receive webhooks on 127.0.0.1, verify them, and print each one, until Ctrl-C.

    With a secret, a request whose signature is wrong or missing is answered 401.
    """
    _check_secrets(secrets)
    shown = output or ("table" if sys.stdout.isatty() else "jsonl")
    show = _print_block if shown == "table" else _print_line
    desk = Desk(secrets=secrets, status=status, fail_first=fail_first, show=show)
    try:
        asyncio.run(_serve(desk, port))
    except OSError as error:
        click.echo(f"relay: cannot listen on 127.0.0.1:{port}: {error.strerror}; try --port 0", err=True)
        sys.exit(1)


class Desk:
    """Takes the requests: verifies, shows and answers each.

    Args:
        secrets: Any of them may have signed; without one nothing is checked.
        status: The answer to a request that is in order.
        fail_first: How many requests in order are answered 503 before that.
        show: Gets every request once it is answered.
    """

    def __init__(
        self, *, secrets: tuple[str, ...], status: int, fail_first: int, show: Callable[[Seen], None]
    ) -> None:
        self._secrets = secrets
        self._status = status
        self._left_to_fail = fail_first
        self._show = show
        self._number = 0

    async def take(self, request: "web.Request") -> "web.Response":
        """Answer one request."""
        from aiohttp import web  # noqa: PLC0415 - slow to import, and only this command needs it

        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            click.echo(f"A body longer than {MAX_BODY} bytes was refused.", err=True)
            raise
        signatures = self._judge(request, body)
        self._number += 1
        status = self._answer(signatures)
        self._show(_seen(self._number, request, body, signatures, status))
        return web.Response(status=status)

    def _judge(self, request: "web.Request", body: bytes) -> dict[str, str]:
        if not self._secrets:
            return {fmt: "unchecked" if header in request.headers else "absent" for fmt, header in FORMATS}
        found: dict[str, str] = {}
        for fmt, header in FORMATS:
            try:
                found[fmt] = "absent"
                if header in request.headers:
                    verify(body, request.headers, self._secrets, fmt)
                    found[fmt] = "ok"
            except VerificationError as error:
                found[fmt] = error.reason
        return found

    def _answer(self, signatures: dict[str, str]) -> int:
        verdicts = {verdict for verdict in signatures.values() if verdict != "absent"}
        if self._secrets and verdicts != {"ok"}:
            return 401
        if self._left_to_fail:
            self._left_to_fail -= 1
            return 503
        return self._status


def _check_secrets(secrets: tuple[str, ...]) -> None:
    try:
        if secrets:
            verify(b"", {}, secrets)
    except VerificationError as error:
        if error.reason == "invalid_secret":
            raise click.UsageError(f"--secret: {error}.") from None


async def _serve(desk: Desk, port: int) -> None:
    from aiohttp import web  # noqa: PLC0415 - as above

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    application = web.Application(client_max_size=MAX_BODY)
    application.router.add_route("*", "/{anything:.*}", desk.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, bound = runner.addresses[0][:2]
        click.echo(f"Listening on http://{host}:{bound}/ until Ctrl-C.", err=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _seen(number: int, request: "web.Request", body: bytes, signatures: dict[str, str], status: int) -> Seen:
    text = None
    with contextlib.suppress(UnicodeDecodeError):
        text = body.decode("utf-8")
    return Seen(
        number=number,
        method=request.method,
        path=request.path_qs,
        event_id=request.headers.get("webhook-id") or request.headers.get("X-Webhook-Id"),
        event_type=request.headers.get("X-Webhook-Event"),
        attempt=request.headers.get("X-Webhook-Attempt"),
        signatures=signatures,
        status=status,
        body=text,
        body_base64=None if text is not None else base64.b64encode(body).decode("ascii"),
    )


def _print_line(seen: Seen) -> None:
    click.echo(json.dumps(asdict(seen)))
    sys.stdout.flush()


def _print_block(seen: Seen) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only for people
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    rows = {
        "event": f"{_plain(seen.event_type)}  {_plain(seen.event_id)}  attempt {_plain(seen.attempt)}",
        "answer": str(seen.status),
        **{f"signature {name}": verdict for name, verdict in seen.signatures.items()},
        "body": _shown_body(seen),
    }
    for name, value in rows.items():
        style = {"ok": "green", "absent": "dim", "unchecked": "yellow"}.get(value, "red")
        table.add_row(
            Text(name, style="dim"), Text(value, style=style if name.startswith("signature") else "")
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"#{seen.number} {_plain(seen.method)} {_plain(seen.path)}", style="bold"))
    console.print(table)
    console.print()


def _shown_body(seen: Seen) -> str:
    if seen.body is None:
        return f"(not text, base64) {(seen.body_base64 or '')[:MAX_SHOWN]}"
    try:
        text = json.dumps(json.loads(seen.body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = seen.body
    cut = f"\n(cut, {len(text)} characters)" if len(text) > MAX_SHOWN else ""
    return _escaped(text[:MAX_SHOWN], keep="\n") + cut


def _plain(text: str | None) -> str:
    return _escaped(text[:200]) if text else "-"


def _escaped(text: str, keep: str = "") -> str:
    """Return `text` with what could steer a terminal, or reorder what it shows, written as an escape."""
    return "".join(
        character if character.isprintable() or character in keep else ascii(character)[1:-1]
        for character in text
    )
