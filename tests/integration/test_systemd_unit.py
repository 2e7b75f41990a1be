"""systemd itself judges the installed units."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from relay.cli.systemd import systemd

UNITS = ("relay.service", "relay@.service")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze; apt-get install systemd"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    result = CliRunner().invoke(systemd, ["install", "--root", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    return tmp_path / "etc/systemd/system"


def verify(unit: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_with_an_installed_unit(units: Path, name: str) -> None:
    done = verify(units / name)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_systemd_would_find_a_mistake(units: Path) -> None:
    unit = units / "relay.service"
    unit.write_text(unit.read_text() + "\n[Service]\nExecStart=/no/such/program\nNoNewPrivilegs=yes\n")

    assert "NoNewPrivilegs" in verify(unit).stderr


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardened_more_than_a_bare_one(units: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", str(units / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= 3.5


@needs_systemd
def test_the_sysusers_entry_makes_the_user_of_the_service(tmp_path: Path, units: Path) -> None:
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("")

    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", "relay.conf"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"(?m)^relay:x?!?\*?:\d+:\d+:", (tmp_path / "etc/passwd").read_text())
    assert "User=relay\n" in (units / "relay.service").read_text()
