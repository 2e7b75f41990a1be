"""`python -m tests.support.reference` writes docs/reference/: what the code says of its options, commands and tables.

The reference of the log events is made from the catalogue itself, by `python -m relay.observe.catalogue`.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import orjson

from relay.__main__ import relay
from relay.admin.api.openapi import document
from relay.config import Settings
from relay.shipped_files import shipped
from tests.support.database import Databases
from tests.support.postgres import installed_bindirs, throwaway_postgres
from tests.support.reference_sql import columns_of, render_sql

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
WIDTH = 100
_KEY = re.compile(r"#(?P<key>[a-z_]+) = (?P<default>.+?) {2,}# (?P<why>.+)")
_RESTART = "(restart) "

_CONFIGURATION_HEAD = """\
# Configuration

Made from `config.example.toml` and the model in `relay/config.py` by `make schema`; a test compares them.

The first of these that has a value counts:

1. an option of the command line (`--dsn`)
2. `RELAY_SECTION__KEY` in the environment, with two underscores: `RELAY_DELIVERY__TIMEOUT=20s`
3. a file named `section__key` in `$CREDENTIALS_DIRECTORY`, where systemd's `LoadCredential=` puts it
4. the TOML file: `--config`, else `$RELAY_CONFIG`, else `/etc/relay/config.toml`
5. the default

Durations are texts such as `"250ms"`, `"30s"`, `"12h"`, `"3d"`; sizes such as `"16KiB"`, `"128MiB"`. In the
environment and in credentials a list is one line with commas. An unknown key is an error.

`relay config check` finds every mistake at once and ends with exit code 78 if there is one.
`relay config show --sources` says what counts, and where it came from.

`systemctl reload relay` (SIGHUP) applies what is changed, but for the keys that need a restart. If anything is wrong,
the old configuration stays in force, and the log says `config.rejected`.
"""

_CLI_HEAD = """\
# Command line

Made from `relay COMMAND --help` by `make schema`; a test compares them.

Data goes to standard output, everything else to standard error. `-o json` and `-o jsonl` are for scripts. What destroys
asks first; a script answers with `--yes`.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed, or the answer is no |
| 2 | wrong usage, or a value that cannot be |
| 3 | something else has to be done first: `relay migrate up` |
| 69 | the database cannot be reached, or does not let us in |
| 78 | the configuration is wrong |
| 130 | ended by Ctrl-C |
"""


def render_configuration() -> str:
    """Return the text of `docs/reference/configuration.md`."""
    example = shipped("config.example.toml").read_text(encoding="utf-8")
    parts = [_CONFIGURATION_HEAD, *(_section(name, example) for name in Settings.model_fields)]
    return _joined(parts)


def render_cli() -> str:
    """Return the text of `docs/reference/cli.md`."""
    return _joined([_CLI_HEAD, *_commands(_context(relay, "relay", None))])


def render_openapi() -> str:
    """Return the text of `docs/reference/openapi.json`."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def write_all() -> None:
    """Write every reference that is made here; the one on SQL asks a throw-away database."""
    write("configuration.md", render_configuration())
    write("cli.md", render_cli())
    write("openapi.json", render_openapi())
    with (
        throwaway_postgres(installed_bindirs()["wheel"]) as server,
        closing(Databases(server.dsn)) as databases,
        databases.fresh() as dsn,
    ):
        write("sql.md", render_sql(columns_of(dsn)))


def write(name: str, text: str) -> None:
    """Write one reference into the checkout."""
    (REFERENCE / name).write_text(text, encoding="utf-8")


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(name: str, example: str) -> str:
    """Return a section's table; its first line is what the model says of the section."""
    _, _, text = example.partition(f"\n[{name}]\n")
    rows = "\n".join(_row(name, line) for line in text.partition("\n\n")[0].splitlines())
    about = (type(getattr(Settings(), name)).__doc__ or "").partition(": ")[2].strip()
    about = about.replace("None = ", '`""` = ')  # TOML has no null
    head = "| key | default | restart | meaning |\n|---|---|---|---|"
    return f"## `[{name}]`\n\n{about[:1].upper()}{about[1:]}\n\n{head}\n{rows}"


def _row(section: str, line: str) -> str:
    found = _KEY.fullmatch(line)
    if found is None:
        raise ValueError(
            f"a line of [{section}] in config.example.toml is not `#key = default  # why`: {line}"
        )
    why = found["why"].removeprefix(_RESTART)
    restart = "yes" if why != found["why"] else ""
    return f"| `{found['key']}` | `{found['default']}` | {restart} | {why} |"


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """Return a context in which help is as wide everywhere, whatever the terminal."""
    return command.context_class(
        command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings
    )


def _commands(context: click.Context) -> Iterator[str]:
    """Yield the help of a command, then of the commands below it."""
    command = context.command
    command._help_option = (
        None  # made once and kept, by whoever called the command first and with other names
    )
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _commands(_context(below, name, context))


if __name__ == "__main__":
    write_all()
