"""The built wheel works without the checkout: its SQL, units and example come along."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run_from(site: Path, *arguments: str) -> str:
    """Run the command line of the unpacked wheel, far from the checkout."""
    program = "import relay.__main__ as m, sys; sys.stderr.write(m.__file__ + '\\n'); m.main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith(str(site))
    return done.stdout


def test_the_wheel_brings_its_migrations(unpacked: Path) -> None:
    assert "create table relay.outbox" in run_from(unpacked, "migrate", "sql")


def test_the_wheel_brings_its_units(unpacked: Path) -> None:
    assert "Type=notify" in run_from(unpacked, "systemd", "print")


def test_the_wheel_brings_its_example_configuration(unpacked: Path) -> None:
    example = (CHECKOUT / "config.example.toml").read_text()

    assert run_from(unpacked, "config", "example") == example


def test_the_wheel_has_every_statement_of_the_checkout(unpacked: Path) -> None:
    shipped = {path.name for path in (unpacked / "relay/shipped/sql/queries").iterdir()}

    assert shipped == {path.name for path in (CHECKOUT / "sql/queries").iterdir()}


def test_the_wheel_brings_the_inboxes_schema_and_statements(unpacked: Path) -> None:
    folder = "relay/receiver/sql"
    shipped = {path.relative_to(unpacked) for path in (unpacked / folder).rglob("*.sql")}

    assert shipped == {path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).rglob("*.sql")}
    assert shipped
