"""docs/reference/ says what the code says; its sql.md has a test of its own, which needs a database."""

import json
import tomllib

import click
import pytest

from relay.__main__ import relay
from relay.config import Settings, flatten
from tests.support.reference import REFERENCE, render_cli, render_configuration

CURE = "run `make schema`"


def command_paths(command: click.Command, path: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command, info_name=path)
    names = command.list_commands(context)
    below = [(name, command.get_command(context, name)) for name in names]
    return [path, *(found for name, each in below if each for found in command_paths(each, f"{path} {name}"))]


def test_the_reference_of_the_configuration_is_what_the_code_says() -> None:
    assert (REFERENCE / "configuration.md").read_text(encoding="utf-8") == render_configuration(), CURE


def test_the_reference_of_the_command_line_is_what_the_code_says() -> None:
    assert (REFERENCE / "cli.md").read_text(encoding="utf-8") == render_cli(), CURE


def test_help_is_as_wide_on_every_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    assert render_cli() == (REFERENCE / "cli.md").read_text(encoding="utf-8")


def test_every_key_of_the_model_has_a_row_with_its_default() -> None:
    text = render_configuration()
    sections = dict(part.split("]`\n", maxsplit=1) for part in text.split("## `[")[1:])

    for dotted in flatten(Settings()):
        section, _, key = dotted.partition(".")
        (row,) = [line for line in sections[section].splitlines() if line.startswith(f"| `{key}` |")]
        default = row.split(" | ")[1].strip("`")
        given = tomllib.loads(f"value = {default}")["value"]
        assert Settings.model_validate({section: {key: given}}) == Settings(), json.dumps(row)


def test_every_command_has_a_section() -> None:
    text = render_cli()

    for path in command_paths(relay, "relay"):
        assert f"\n## `{path}`\n" in text
