"""systemd itself judges the installed units."""

import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from relay.cli.systemd import systemd
from relay.http.addresses import Address, AddressPolicy, public_networks

UNITS = ("relay.service", "relay@.service")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze; apt-get install systemd"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    return installed(tmp_path)


@pytest.fixture
def closed_units(tmp_path: Path) -> Path:
    return installed(tmp_path, "--egress")


def installed(tmp_path: Path, *options: str) -> Path:
    result = CliRunner().invoke(systemd, ["install", "--root", str(tmp_path), *options])
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
def test_a_closed_unit_is_hardened_as_far_as_a_sender_of_requests_can_be(
    closed_units: Path, name: str
) -> None:
    assert verify(closed_units / name).returncode == 0
    assert exposure(closed_units / name, "--threshold=10") == (0, 1.0)


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_an_open_unit_is_hardened_nearly_as_far(units: Path, name: str) -> None:
    assert exposure(units / name)[1] <= 1.1


def exposure(unit: Path, *options: str) -> tuple[int, float]:
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", *options, str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    return done.returncode, float(found[1])


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


def allowed(units: Path, name: str = "relay.service") -> list[str]:
    lines = (units / name).read_text().splitlines()
    return [
        word
        for line in lines
        if line.startswith("IPAddressAllow=")
        for word in line.partition("=")[2].split()
    ]


def test_a_unit_allows_what_the_guard_allows_and_what_the_configuration_needs(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    (etc / "relay").mkdir(parents=True)
    (etc / "resolv.conf").write_text("# mine\nnameserver 10.9.9.9\nnameserver fe80::1%eth0\nsearch example\n")
    (etc / "relay/config.toml").write_text(
        '[database]\ndsn = "postgresql://relay@10.1.2.3/app?sslmode=verify-full"\n'
        '[security]\nallow_cidrs = ["10.7.0.0/16"]\n'
    )
    (etc / "relay/broken.toml").write_text("[nonsense]\n")

    done = CliRunner().invoke(
        systemd, ["install", "--root", str(tmp_path), "--egress", "--allow", "10.4.0.0/16"]
    )

    assert done.exit_code == 0, done.stderr
    assert "broken.toml cannot be read" in done.stderr
    networks = [ip_network(word) for word in allowed(tmp_path / "etc/systemd/system") if word != "localhost"]
    for address in (
        "10.1.2.3",
        "10.4.1.1",
        "10.7.200.1",
        "10.9.9.9",
        "fe80::1",
        "8.8.8.8",
        "2606:4700::1111",
    ):
        assert any(ip_address(address) in network for network in networks), address
    for address in (
        "10.1.2.4",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "fd00::1",
        "2002::1",
        "::ffff:8.8.8.8",
    ):
        assert not any(ip_address(address) in network for network in networks), address


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6, network="2000::/3")))
def test_what_is_public_for_the_unit_is_what_the_guard_lets_through(address: Address) -> None:
    is_public = any(address in network for network in NETWORKS)
    is_let_through = AddressPolicy().refuse(str(address)) is None
    # The guard also knows forms of IPv6 that no list of networks can tell.
    assert is_public or not is_let_through
    if address.version == 4:
        assert is_public == is_let_through


NETWORKS = public_networks()
