"""`relay endpoint check`: says of URLs whether they may be registered."""

import json
import sys
from collections.abc import Iterable, Iterator

import click

from relay.http.addresses import AddressPolicy
from relay.http.guard import OwnAddresses
from relay.http.url import UrlVerdict, judge_urls

MAX_LINE = 65_536


@click.command(name="check")
@click.argument("urls", nargs=-1)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read URLs as JSON strings, one a line.")
@click.option("--allow-http", is_flag=True, help="Allow http beside https.")
@click.option("--allow-cidr", "allow_cidrs", multiple=True, help="Open a network; may be repeated.")
@click.option("--deny-cidr", "deny_cidrs", multiple=True, help="Close a network; beats --allow-cidr.")
def check(
    urls: tuple[str, ...],
    allow_cidrs: tuple[str, ...],
    deny_cidrs: tuple[str, ...],
    *,
    from_stdin: bool,
    allow_http: bool,
) -> None:
    """Say of each URL, one JSON object a line, whether an endpoint may have it, and why not."""
    if not urls and not from_stdin:
        raise click.UsageError("Give URLs as arguments, or --stdin to read them as JSON strings, one a line.")
    try:
        policy = AddressPolicy(allow_cidrs=allow_cidrs, deny_cidrs=deny_cidrs)
    except ValueError as error:
        raise click.UsageError(f"{error}; write a network such as 10.0.0.0/8.") from None
    own = OwnAddresses().current()
    for verdict in judge_urls(urls, allow_http=allow_http, policy=policy, own=own):
        _print(verdict)
    if from_stdin:
        for verdict in _judge_lines(_lines(), allow_http=allow_http, policy=policy, own=own):
            _print(verdict)


def _lines() -> Iterator[bytes]:
    """Yield the lines of stdin, an overlong one cut, so that it cannot fill the memory."""
    stream = sys.stdin.buffer
    while line := stream.readline(MAX_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE)
        if line.strip():
            yield line


def _judge_lines(
    lines: Iterable[bytes], *, allow_http: bool, policy: AddressPolicy, own: frozenset[str]
) -> Iterator[UrlVerdict]:
    for line in lines:
        url = _url_in(line)
        if url is None:
            text = line.strip().decode("utf-8", "replace")[:200]
            yield UrlVerdict(url=text, allowed=False, reason="bad_input: the line is no JSON string")
        else:
            yield from judge_urls([url], allow_http=allow_http, policy=policy, own=own)


def _url_in(line: bytes) -> str | None:
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def _print(verdict: UrlVerdict) -> None:
    # ASCII only: what strangers write may hold control characters and lone surrogates.
    click.echo(json.dumps({"url": verdict.url, "allowed": verdict.allowed, "reason": verdict.reason}))
