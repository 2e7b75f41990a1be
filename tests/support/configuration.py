"""Loading a configuration in a test: from what the test says and nothing else."""

import os
from pathlib import Path

import pytest

from relay.config import ConfigError, load


def forget_surroundings(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Hide the environment and the default file of the machine that the test runs on."""
    for name in list(os.environ):
        if name == "CREDENTIALS_DIRECTORY" or name.startswith("RELAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("relay.config.DEFAULT_PATH", directory / "no such file")


def written(directory: Path, text: str) -> Path:
    """Write a configuration file and return its path."""
    path = directory / "relay.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path | None = None, overrides: dict[str, object] | None = None) -> str:
    """Return what is wrong with a configuration, one problem a line; it must be wrong."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides or {})
    assert str(caught.value) == "\n".join(caught.value.problems)
    return str(caught.value)
