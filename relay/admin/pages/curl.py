"""A request that was sent, as a command that sends it again."""

import shlex
from collections.abc import Mapping

_OURS = frozenset({"host", "content-length", "user-agent"})
"""Headers that curl makes by itself."""
LONGEST_BODY = 4 * 1024
"""Characters of a body that still stand in the command; a longer one is read from a file."""


def as_curl(url: str, headers: Mapping[str, str], body: str | None) -> str:
    """Return the command.

    What the log keeps from its readers cannot be in it: signatures, which also hold for the time of the first request
    alone, and credentials stand there as "[hidden]". A body that is long is read from a file, to be downloaded.

    Args:
        url: Where it went.
        headers: As the log has them.
        body: Its text; None if that is not known any more.
    """
    parts = ["curl --request POST", quoted(url)]
    parts += [
        f"--header {quoted(f'{name}: {value}')}"
        for name, value in headers.items()
        if name.lower() not in _OURS
    ]
    is_there = body is not None and len(body) <= LONGEST_BODY
    parts.append(f"--data-binary {quoted(body or '') if is_there else '@payload.json'}")
    return " \\\n  ".join(parts)


def quoted(text: str) -> str:
    """Return a text as one word of a shell, in which nothing can act on a terminal that it is pasted into."""
    if all(each.isprintable() for each in text):
        return shlex.quote(text)
    return "$'" + "".join(_escaped(each) for each in text) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
