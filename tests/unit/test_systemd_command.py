import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from relay.cli.systemd import quoted, relay_command, systemd
from relay.config import Settings, load
from relay.durations import parse_duration
from relay.shipped_files import shipped

PLACES = (
    "etc/relay/config.toml",
    "etc/systemd/system/relay.service",
    "etc/systemd/system/relay@.service",
    "usr/lib/sysusers.d/relay.conf",
    "usr/lib/tmpfiles.d/relay.conf",
)


def install(root: Path) -> str:
    result = CliRunner().invoke(systemd, ["install", "--root", str(root)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_install_writes_all_files_below_the_root_and_lists_them(tmp_path: Path) -> None:
    listed = install(tmp_path).splitlines()

    assert listed == [str(tmp_path / place) for place in PLACES]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        tmp_path / place for place in PLACES
    )
    assert load(tmp_path / "etc/relay/config.toml", {}).settings == Settings()


def test_only_the_service_may_read_the_configuration(tmp_path: Path) -> None:
    install(tmp_path)

    assert stat.S_IMODE((tmp_path / "etc/relay").stat().st_mode) & 0o007 == 0
    assert stat.S_IMODE((tmp_path / "etc/relay/config.toml").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / PLACES[1]).stat().st_mode) == 0o644


def test_installing_again_renews_the_units_and_keeps_the_configuration(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / PLACES[1]).write_text("old")
    (tmp_path / "etc/relay/config.toml").write_text("# the operator's")

    listed = install(tmp_path)

    assert "ExecStart=" in (tmp_path / PLACES[1]).read_text()
    assert (tmp_path / "etc/relay/config.toml").read_text() == "# the operator's"
    assert "config.toml" not in listed


def test_next_steps_go_to_stderr(tmp_path: Path) -> None:
    result = CliRunner().invoke(systemd, ["install", "--root", str(tmp_path)])

    for step in ("systemd-sysusers", "systemctl daemon-reload", "systemctl enable --now relay.service"):
        assert step in result.stderr
        assert step not in result.stdout


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("in the way")

    result = CliRunner().invoke(systemd, ["install", "--root", str(tmp_path)])

    assert result.exit_code == 1
    assert "run as root, or use --root DIR" in result.stderr


def test_print_shows_both_units_with_the_command_of_this_installation() -> None:
    result = CliRunner().invoke(systemd, ["print"])

    command = " ".join(quoted(word) for word in relay_command())
    assert f"ExecStart={command} run --config /etc/relay/config.toml\n" in result.stdout
    assert f"ExecStart={command} run --config /etc/relay/%i.toml\n" in result.stdout
    assert "@RELAY@" not in result.stdout


def test_a_venv_without_the_script_is_started_through_its_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _: None)

    assert relay_command() == (str(tmp_path / "python"), "-m", "relay")


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/opt/relay/bin/relay", "/opt/relay/bin/relay"),
        ("/opt/my relay/relay", '"/opt/my relay/relay"'),
        ("/opt/100%/$HOME/relay", "/opt/100%%/$$HOME/relay"),
        ('/o"p\\t', '"/o\\"p\\\\t"'),
    ],
)
def test_a_path_is_quoted_as_systemd_reads_it(word: str, written: str) -> None:
    assert quoted(word) == written


@pytest.mark.parametrize("unit", ["relay.service", "relay@.service"])
def test_a_stop_takes_no_longer_than_systemd_waits(unit: str) -> None:
    lines = shipped(f"systemd/{unit}").read_text(encoding="utf-8").splitlines()
    (stop,) = (line.partition("=")[2] for line in lines if line.startswith("TimeoutStopSec="))

    assert parse_duration(stop) > Settings().delivery.drain
    assert "RestartPreventExitStatus=78" in lines


def test_a_missing_shipped_file_says_where_it_was_looked_for() -> None:
    with pytest.raises(FileNotFoundError, match=r"relay/shipped/nothing.*install Relay again"):
        shipped("nothing")
