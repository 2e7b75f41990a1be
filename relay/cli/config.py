"""`relay config`: check the configuration, show what is in force and why, print the example."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relay.shipped_files import shipped

if TYPE_CHECKING:
    from relay.config import LoadedSettings

_EX_CONFIG = 78

config_file = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="The TOML file; else $RELAY_CONFIG, else /etc/relay/config.toml.",
)


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@config_file
def check(path: Path | None) -> None:
    """Read the configuration as the daemon would; exit 78 with every mistake if there is one."""
    _load(path)
    click.echo("The configuration is right.", err=True)


@config.command()
@config_file
@click.option("--sources", is_flag=True, help="Say where each value comes from.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), help="Default: table on a terminal.")
def show(path: Path | None, output: str | None, *, sources: bool) -> None:
    """Show every setting in force; secrets are masked."""
    loaded = _load(path)
    values = _shown_values(loaded)
    if (output or ("table" if sys.stdout.isatty() else "json")) == "table":
        rows = [
            (key, json.dumps(value), loaded.sources[key] if sources else "") for key, value in values.items()
        ]
        click.echo("\n".join(_aligned(rows)))
    elif sources:
        both = {key: {"value": value, "source": loaded.sources[key]} for key, value in values.items()}
        click.echo(json.dumps(both, indent=2))
    else:
        click.echo(json.dumps(values, indent=2))


@config.command()
def example() -> None:
    """Print an example with every key, its default and why it is there."""
    click.echo(shipped("config.example.toml").read_text(encoding="utf-8"), nl=False)


@contextmanager
def exit_on_config_error() -> Iterator[None]:
    """Print every problem of a ConfigError to stderr and exit with 78."""
    from relay.config import ConfigError  # noqa: PLC0415 - pydantic is slow to import, most commands go without

    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"relay: {problem}", err=True)
        sys.exit(_EX_CONFIG)


def _load(path: Path | None) -> "LoadedSettings":
    from relay.config import load  # noqa: PLC0415 - as above

    with exit_on_config_error():
        return load(path, {})


def _shown_values(loaded: "LoadedSettings") -> dict[str, Any]:
    from relay.config import flatten  # noqa: PLC0415 - as above
    from relay.config_values import shown  # noqa: PLC0415 - as above
    from relay.durations import format_size  # noqa: PLC0415 - goes with the others

    return {
        key: format_size(value) if key.endswith("_bytes") else shown(value)
        for key, value in flatten(loaded.settings).items()
    }


def _aligned(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return (f"{key:<{first}}  {value:<{second}}  {source}".rstrip() for key, value, source in rows)
