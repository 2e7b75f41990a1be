"""`relay systemd`: the units, with the path of this very installation in them."""

import re
import shutil
import sys
import sysconfig
from ipaddress import ip_network
from pathlib import Path

import click

from relay.shipped_files import shipped

_UNITS = ("relay.service", "relay@.service")
_INSTALLED_AS = {
    "relay.service": "etc/systemd/system/relay.service",
    "relay@.service": "etc/systemd/system/relay@.service",
    "relay.sysusers": "usr/lib/sysusers.d/relay.conf",
    "relay.tmpfiles": "usr/lib/tmpfiles.d/relay.conf",
}
_HIDDEN_FROM_THE_SERVICE = (Path("/home"), Path("/root"), Path("/run/user"))
_NEXT_STEPS = """\
Next:
  systemd-sysusers                           # makes the user relay
  edit /etc/relay/config.toml                # at least [database] dsn; then: relay config check
  systemd-tmpfiles --create relay.conf       # lets that user, and nobody else, read it
  systemctl daemon-reload
  systemctl enable --now relay.service"""


def network(text: str) -> str:
    """Read a network, or one address."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no network; write for example 10.1.0.0/16 or 10.1.2.3"
        ) from None


@click.group()
def systemd() -> None:
    """Print or install the systemd units."""


@systemd.command(name="print")
def print_units() -> None:
    """Print the units as they would be installed."""
    for name in _UNITS:
        click.echo(f"# /etc/systemd/system/{name}\n{_text(name, '')}")


@systemd.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Write below this directory instead of /, for images and packages.",
)
@click.option(
    "--egress",
    is_flag=True,
    help="Let the service exchange packets only with public addresses, this host, and what the configuration names.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    type=network,
    metavar="NETWORK",
    help="With --egress: also with this one.",
)
def install(root: Path, *, egress: bool, allowed: tuple[str, ...]) -> None:
    """Write units, sysusers and tmpfiles entries, and an example configuration if there is none."""
    lines = _egress(root, allowed) if egress else ""
    try:
        _write_example(root / "etc/relay/config.toml")
        for name, place in _INSTALLED_AS.items():
            _write(root / place, _text(name, lines), mode=0o644)
    except OSError as error:
        raise click.ClickException(
            f"cannot write {error.filename}: {error.strerror}; run as root, or use --root DIR"
        ) from None
    _warn_if_hidden()
    click.echo(_NEXT_STEPS, err=True)


def relay_command() -> tuple[str, ...]:
    """Return the command that starts this installation: its own `relay`, or Python and the module."""
    own = (Path(sys.executable).parent / "relay", Path(sysconfig.get_path("scripts")) / "relay")
    for candidate in (*own, shutil.which("relay")):
        if candidate and Path(candidate).is_file():
            return (str(Path(candidate).absolute()),)
    return (sys.executable, "-m", "relay")


def quoted(word: str) -> str:
    """Quote one word for ExecStart=, with specifiers and variables escaped (systemd.service(5))."""
    escaped = word.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped


def _text(name: str, egress: str) -> str:
    command = " ".join(quoted(word) for word in relay_command())
    text = shipped(f"systemd/{name}").read_text(encoding="utf-8")
    return text.replace("@RELAY@", command).replace("@EGRESS@\n", egress)


def _egress(root: Path, allowed: tuple[str, ...]) -> str:
    from relay.cli.egress import egress_lines  # noqa: PLC0415 - reads the configuration, which is slow to import

    return egress_lines(root, allowed, _complain)


def _complain(message: str) -> None:
    click.echo(f"Warning: {message}", err=True)


def _write(path: Path, text: str, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    click.echo(str(path))


def _write_example(path: Path) -> None:
    """Never touch a configuration that is there: it is the operator's."""
    if path.exists() or path.is_symlink():
        click.echo(f"{path} is there and stays as it is.", err=True)
        return
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    _write(path, shipped("config.example.toml").read_text(encoding="utf-8"), mode=0o640)


def _warn_if_hidden() -> None:
    program = Path(relay_command()[0])
    if any(program.is_relative_to(place) for place in _HIDDEN_FROM_THE_SERVICE):
        click.echo(
            f"Warning: the service cannot see {program} (ProtectHome=yes); install Relay outside of "
            "/home and /root, for example in /opt/relay, and run this again from there.",
            err=True,
        )
