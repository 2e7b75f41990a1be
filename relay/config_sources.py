"""Where settings come from: options, environment, credentials and file, each value with its origin."""

import difflib
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PREFIX = "RELAY_"
_LONGEST_CREDENTIAL = 64 * 1024

Known = Mapping[str, tuple[str, ...]]
"""The names of all keys, by section."""


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says everything that is wrong, one sentence each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a source says for a key, unchecked, and which source that was."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a key, where, and what to do about it. Never holds the value of a secret."""

    key: str
    origin: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key} ({self.origin}): {self.reason}" if self.key else f"{self.origin}: {self.reason}"


Found = Iterator[tuple[str, Value] | Problem]


def read_values(
    known: Known, environment: Mapping[str, str], file: Path | None, overrides: Mapping[str, Any]
) -> tuple[dict[str, Value], tuple[Problem, ...]]:
    """Read every source, the strongest last, so that it overrides.

    Args:
        known: The names of all keys, by section.
        environment: Environment variables, among them RELAY_SECTION__KEY and CREDENTIALS_DIRECTORY.
        file: The TOML file, if there is one.
        overrides: Command-line options by dotted key; None means not given.

    Returns:
        The values by dotted key, and what is wrong with the sources themselves.
    """
    values: dict[str, Value] = {}
    problems: list[Problem] = []
    for found in (
        *(_from_file(known, file) if file else ()),
        *_from_credentials(known, environment.get("CREDENTIALS_DIRECTORY", "")),
        *_from_environment(known, environment),
        *_from_options(known, overrides),
    ):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            values[found[0]] = found[1]
    return values, tuple(problems)


def _from_file(known: Known, file: Path) -> Found:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        yield Problem(
            key="", origin=str(file), reason=f"cannot be read: {error.strerror}; check path and permissions"
        )
    except tomllib.TOMLDecodeError as error:
        yield Problem(key="", origin=str(file), reason=f"is not valid TOML: {error}")
    except UnicodeDecodeError as error:
        yield Problem(
            key="", origin=str(file), reason=f"is not UTF-8 at byte {error.start}; save it as UTF-8"
        )
    else:
        for section, table in document.items():
            yield from _from_table(known, file, section, table)


def _from_table(known: Known, file: Path, section: str, table: object) -> Found:
    if section not in known:
        yield Problem(key=section, origin=str(file), reason=_unknown_in_file(known, section))
    elif not isinstance(table, dict):
        yield Problem(
            key=section, origin=str(file), reason=f"is a section; write [{section}] on a line of its own"
        )
    else:
        for key, value in table.items():
            origin = f"{file}: {section}.{key}"
            yield _take(known, f"{section}.{key}", value, origin)


def _unknown_in_file(known: Known, name: str) -> str:
    """Explain a name at the top of a file that is no section; it may be a key that lost its section."""
    homes = [f"[{section}]" for section, keys in known.items() if name in keys]
    if homes:
        return f"is a key of {' or '.join(homes)}; write it below that line"
    return "unknown section" + suggestion(name, known)


def _from_credentials(known: Known, directory: str) -> Found:
    """Files named section__key, as systemd's LoadCredential= provides them; others belong to someone else."""
    if not directory:
        return
    try:
        files = sorted(Path(directory).iterdir())
    except OSError as error:
        yield Problem(key="", origin=f"credentials {directory}", reason=f"cannot be read: {error.strerror}")
        return
    for file in files:
        section, separator, key = file.name.partition("__")
        if separator and section in known:
            yield _from_credential(known, f"{section}.{key}", file)


def _from_credential(known: Known, dotted: str, file: Path) -> tuple[str, Value] | Problem:
    origin = f"credential {file}"
    try:
        if not stat.S_ISREG(file.stat().st_mode) or file.stat().st_size > _LONGEST_CREDENTIAL:
            return Problem(key=dotted, origin=origin, reason="is not a file of at most 64 KiB")
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        return Problem(
            key=dotted, origin=origin, reason=f"cannot be read: {error.strerror}; check its permissions"
        )
    except UnicodeDecodeError:
        return Problem(key=dotted, origin=origin, reason="is not UTF-8 text")
    return _take(known, dotted, text, origin)


def _from_environment(known: Known, environment: Mapping[str, str]) -> Found:
    intended = {
        f"{_PREFIX}{section}_{key}".upper(): (section, key) for section in known for key in known[section]
    }
    for name, text in environment.items():
        if not name.startswith(_PREFIX):
            continue
        origin = f"environment variable {name}"
        section, separator, key = name.removeprefix(_PREFIX).lower().partition("__")
        if separator:
            yield _take(known, f"{section}.{key}", text, origin)
        elif meant := intended.get(name):
            variable = f"{_PREFIX}{meant[0]}__{meant[1]}".upper()
            yield Problem(
                key=".".join(meant), origin=origin, reason=f"has one underscore too few; set {variable}"
            )


def _from_options(known: Known, overrides: Mapping[str, Any]) -> Found:
    for dotted, value in overrides.items():
        if value is not None:
            yield _take(known, dotted, value, "command line")


def _take(known: Known, dotted: str, value: object, origin: str) -> tuple[str, Value] | Problem:
    """Accept a value whose key exists, or say which key was probably meant."""
    section, _, key = dotted.partition(".")
    if key in known.get(section, ()):
        return dotted, Value(value=value, origin=origin)
    if section not in known:
        return Problem(key=dotted, origin=origin, reason=f"unknown section{suggestion(section, known)}")
    return Problem(key=dotted, origin=origin, reason=f"unknown key{_suggested_key(known, section, key)}")


def _suggested_key(known: Known, section: str, key: str) -> str:
    """Prefer a near name in the same section, then the same name in another one."""
    if near := suggestion(key, known[section]):
        return near
    homes = [f"{other}.{key}" for other, keys in known.items() if key in keys]
    if homes:
        return f"; did you mean {' or '.join(homes)}?"
    return f"; [{section}] has {', '.join(known[section])}"


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Return "; did you mean X?" for the nearest of the choices, or nothing if none is near."""
    near = difflib.get_close_matches(name.lower(), list(choices), n=1)
    return f"; did you mean {near[0]}?" if near else ""
