"""What the documents name is there: links, files, commands."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from relay.__main__ import relay

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
DOCUMENTS = sorted([*(ROOT / name for name in TOP), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
MOST_PICTURES = 3_000_000
"""Bytes: whoever clones the repository loads them."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# The command begins a line, or follows what may stand before a command.
_COMMAND = re.compile(
    r"(?:^|[|;&(]|\bsudo -u \w+ |\b[A-Z_]+=\S+ |\bor: )\s*(?:\S*/bin/)?relay ((?:[^\s#]+ ?)*)", re.MULTILINE
)
_WORD = re.compile(r"[a-z]+(-[a-z]+)*")
_HERE = re.compile(r"/(?:root|work|home/\w+|Users|tmp)\b")


def links(text: str) -> Iterator[tuple[str, str]]:
    """Yield path and anchor of each relative link."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as hosts of Markdown make them."""
    found = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def broken_links(document: Path) -> Iterator[str]:
    text = document.read_text(encoding="utf-8")
    for path, anchor in links(text):
        target = document.parent / path if path else document
        if not target.exists():
            yield path
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{path}#{anchor}"


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `relay` of each command line in a fenced block, or alone in backquotes."""
    for language, block in _FENCE.findall(text):
        if language in {"sh", ""}:
            yield from (found.split() for found in _COMMAND.findall(block))
    for inline in _INLINE.findall(_FENCE.sub("", text)):
        if inline.startswith("relay "):
            yield inline.split()[1:]


def unknown(words: list[str]) -> str | None:
    """Return the first word that should be a command or an option and is not, or None."""
    command: click.Command = relay
    for word in words:
        if word == "|":
            return None  # what follows is another program's
        if isinstance(command, click.Group) and _WORD.fullmatch(word):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return word
            command = found
        elif word.startswith("--") and word.partition("=")[0] not in _options(command):
            # What `relay embedded psql` does not know goes to psql.
            return None if command.context_settings.get("ignore_unknown_options") else word
    return None


def _options(command: click.Command) -> set[str]:
    parameters = command.get_params(click.Context(command))
    return {name for each in parameters for name in (*each.opts, *each.secondary_opts)} | {"--help"}


def wrong_commands(text: str) -> list[str]:
    return [f"relay {' '.join(words)}: {wrong}" for words in commands(text) if (wrong := unknown(words))]


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    assert list(broken_links(ROOT / name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_is_named_is_there(name: str) -> None:
    assert wrong_commands((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_document_knows_the_machine_it_was_written_on(name: str) -> None:
    assert _HERE.findall((ROOT / name).read_text(encoding="utf-8")) == []


def test_every_picture_is_shown_and_all_together_are_small() -> None:
    text = (ROOT / "docs" / "panel.md").read_text(encoding="utf-8")
    shown = {ROOT / "docs" / path for path in _PICTURE.findall(text)}
    there = set((ROOT / "docs" / "images").iterdir())

    assert shown == there
    assert sum(path.stat().st_size for path in there) < MOST_PICTURES


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:relay|sql|tests|docs|systemd)/[\w./]*)`", text)

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_part_of_the_pipeline_that_the_architecture_names_is_a_file() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)

    assert len(names) > 5
    assert [name for name in names if not (ROOT / f"relay/pipeline/{name}.py").exists()] == []


def test_every_make_target_that_is_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert {"demo", "test"} <= named <= targets


def test_the_search_finds_what_is_wrong() -> None:
    text = "```sh\nsudo -u relay relay endpoint lst\nX=1 relay run --embeded  # why\n```\nAnd `relay tokens list`.\n"

    assert wrong_commands(text) == [
        "relay endpoint lst: lst",
        "relay run --embeded: --embeded",
        "relay tokens list: tokens",
    ]
    assert wrong_commands("```sh\nrelay embedded psql --file x\nx | relay event publish a.b -\n```") == []
    assert anchors("## Order: ordering_key and sequence\n") == {"order-ordering_key-and-sequence"}
    assert _HERE.findall("see /root/x and /work/y, not /etc/relay") == ["/root", "/work"]
