"""`relay secrets generate-key`."""

import base64
import stat
from pathlib import Path

from click.testing import CliRunner

from relay.cli.secrets import secrets


def test_a_key_is_32_random_bytes_in_base64() -> None:
    printed = [CliRunner().invoke(secrets, ["generate-key"]).stdout.strip() for _ in range(2)]
    assert [len(base64.b64decode(each, validate=True)) for each in printed] == [32, 32]
    assert printed[0] != printed[1]


def test_a_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key"
    first = CliRunner().invoke(secrets, ["generate-key", "--output", str(file)])
    assert (first.exit_code, first.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_text()
    assert len(base64.b64decode(key, validate=False)) == 32
    again = CliRunner().invoke(secrets, ["generate-key", "--output", str(file)])
    assert again.exit_code == 1
    assert "never overwritten" in again.stderr
    assert file.read_text() == key


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert CliRunner().invoke(secrets, ["generate-key", "--output", str(tmp_path / "link")]).exit_code == 1
    assert not (tmp_path / "target").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(secrets, ["generate-key", "--output", str(tmp_path / "no" / "key")])
    assert done.exit_code == 1
    assert "No such file or directory" in done.stderr
