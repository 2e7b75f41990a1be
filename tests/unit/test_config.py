import json
import re
import subprocess
import sys
import tomllib
from base64 import b64encode
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr, ValidationError

from relay.cli.config import config
from relay.config import Settings, changed_needing_restart, flatten, known_keys, load
from relay.config_places import Address
from relay.config_values import mask_dsn, shown
from tests.support.configuration import forget_surroundings, problems_of, written

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
KEY = b64encode(bytes(range(32))).decode()
SIGNING = "whsec_" + KEY
DSN = "postgresql://relay:hunter2@db.example/app"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_surroundings(monkeypatch, tmp_path)


def uncommented(text: str) -> str:
    return re.sub(r"(?m)^#(?=[a-z_]+ = )", "", text)


def test_the_example_names_every_key_and_no_other() -> None:
    document = tomllib.loads(uncommented(EXAMPLE.read_text(encoding="utf-8")))

    assert {section: tuple(table) for section, table in document.items()} == known_keys()


def test_the_example_loads_to_exactly_the_defaults(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    assert load(written(tmp_path, uncommented(text)), {}).settings == Settings()
    assert load(written(tmp_path, text), {}).settings == Settings()


def test_the_example_says_why_each_key_is_there_and_which_need_a_restart() -> None:
    lines = re.findall(r"(?m)^#([a-z_]+) = .*?  # (.{10,})$", EXAMPLE.read_text(encoding="utf-8"))
    marked = sum(why.startswith("(restart)") for _, why in lines)

    assert len(lines) == len(flatten(Settings()))
    assert marked == len(changed_needing_restart(Settings(), everything_changed()))


def everything_changed() -> Settings:
    overrides = {
        "database.dsn": DSN,
        "database.allow_plaintext": True,
        "database.listen": False,
        "database.poll_interval": "2s",
        "embedded.data_dir": "/x",
        "embedded.bindir": "/y",
        "admin.listen": "",
        "admin.allowed_hosts": ["relay.example.com"],
        "admin.behind_proxy": True,
        "admin.tls_certificate": "/c",
        "admin.tls_key": "/k",
        "admin.session_lifetime": "1h",
        "metrics.listen": "",
        "metrics.max_endpoints": 10,
        "delivery.max_in_flight": 3000,
        "delivery.max_in_flight_bytes": "1GiB",
        "delivery.max_payload_bytes": "1MiB",
        "security.ca_bundle": "/etc/hosts",
        "delivery.timeout": "31s",
        "log.level": "debug",
        "security.allow_http": True,
    }
    return load(None, overrides).settings


def test_what_a_reload_cannot_apply_is_named() -> None:
    assert changed_needing_restart(Settings(), Settings()) == ()
    assert changed_needing_restart(Settings(), everything_changed()) == (
        "database.dsn",
        "database.allow_plaintext",
        "database.listen",
        "database.poll_interval",
        "delivery.max_in_flight",
        "delivery.max_in_flight_bytes",
        "delivery.max_payload_bytes",
        "security.ca_bundle",
        "admin.listen",
        "admin.allowed_hosts",
        "admin.behind_proxy",
        "admin.tls_certificate",
        "admin.tls_key",
        "admin.session_lifetime",
        "metrics.listen",
        "metrics.max_endpoints",
        "embedded.data_dir",
        "embedded.bindir",
    )


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().delivery.timeout = timedelta(seconds=1)


def test_values_are_read_into_what_code_works_with() -> None:
    settings = load(
        None,
        {
            "retry.schedule": ["5s", 60, "0.5ms"],
            "security.allow_cidrs": "10.0.0.0/8, fd00::/8",
            "security.allow_ports": [443, "8000-8010"],
            "security.master_key": [KEY],
            "security.ca_bundle": "/etc/ssl/own.pem",
            "metrics.listen": "[::1]:0",
            "delivery.max_response_bytes": "1MiB",
        },
    ).settings

    assert settings.retry.schedule == (
        timedelta(seconds=5),
        timedelta(minutes=1),
        timedelta(microseconds=500),
    )
    assert settings.security.allow_cidrs == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.security.allow_ports == (range(443, 444), range(8000, 8011))
    assert settings.security.master_key[0].get_secret_value() == bytes(range(32))
    assert settings.security.ca_bundle == Path("/etc/ssl/own.pem")
    assert settings.metrics.listen == Address(host="::1", port=0)
    assert str(settings.metrics.listen) == "[::1]:0"
    assert settings.delivery.max_response_bytes == 1024**2


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("delivery.timeout", "abc", "'abc' is not a duration"),
        ("delivery.timeout", 0, "more than zero"),
        ("delivery.max_in_flight", 0, "greater than 0"),
        ("delivery.max_in_flight", True, "write a number"),
        ("delivery.max_in_flight_bytes", "16KB", "16KiB"),
        ("delivery.user_agent", "a\r\nX: y", "printable ASCII"),
        ("retry.factor", 0.5, "greater than or equal to 1"),
        ("retry.jitter", 1.5, "less than or equal to 1"),
        ("retry.jitter", float("nan"), "greater than or equal to 0"),
        ("retry.schedule", ["5s", "never"], "'never' is not a duration"),
        ("retry.permanent_statuses", [200], "write 300 to 599"),
        ("retry.permanent_statuses", ["teapot"], "write 300 to 599"),
        ("retry.permanent_statuses", [True], "write 300 to 599"),
        ("retry.permanent_statuses", [429], "leave it out"),
        ("log.sample_success", -1, "greater than or equal to 0"),
        ("log.level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("security.allow_cidrs", ["10.0.0.1/8"], "host bits"),
        ("security.allow_ports", ["90-80"], "is not a port"),
        ("security.allow_ports", [0], "is not a port"),
        ("security.ca_bundle", "own.pem", "absolute path"),
        ("metrics.listen", "9420", "host:port"),
        ("metrics.listen", "localhost:99999", "host:port"),
        ("metrics.listen", "user@localhost:80", "host:port"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(key: str, value: object, says: str) -> None:
    problem = problems_of(overrides={key: value})

    assert problem.startswith(f"{key} (command line): ")
    assert says in problem


@pytest.mark.parametrize(
    ("lesser", "value", "greater"),
    [
        ("delivery.max_payload_bytes", "1GiB", "delivery.max_in_flight_bytes"),
        ("retry.base", "13h", "retry.max_delay"),
    ],
)
def test_values_that_contradict_each_other_are_refused(lesser: str, value: object, greater: str) -> None:
    assert f"more than {greater}," in problems_of(overrides={lesser: value})


def test_a_retry_window_shorter_than_the_first_delay_is_refused() -> None:
    assert "more than retry.max_age, 1s" in problems_of(overrides={"retry.max_age": "1s"})


def test_no_secret_is_in_any_representation_or_error(tmp_path: Path) -> None:
    secret = b64encode(b"hunter2" * 4 + b"four").decode()
    loaded = load(None, {"database.dsn": DSN, "security.master_key": secret})
    wrong = problems_of(
        written(tmp_path, '[database]\ndsn = "mysql://u:hunter2@h"\n[security]\nmaster_key = ["hunter2"]\n')
    )

    for text in (repr(loaded), str(loaded.settings), str(loaded.settings.model_dump()), wrong):
        assert "hunter2" not in text
        assert secret not in text
        assert repr(b"hunter2")[2:-1] not in text


@pytest.mark.parametrize(
    ("dsn", "masked"),
    [
        (DSN, "postgresql://relay:***@db.example/app"),
        ("postgresql://relay:p/w@rd@h:5432/d", "postgresql://relay:***@h:5432/d"),
        (
            "postgresql://h/d?user=a&password=pw&sslmode=require",
            "postgresql://h/d?user=a&password=***&sslmode=require",
        ),
        ("postgresql://h/d?sslpassword=pw", "postgresql://h/d?sslpassword=***"),
        ("postgresql://relay@/d?host=/run/postgresql", "postgresql://relay@/d?host=/run/postgresql"),
        ("", ""),
    ],
)
def test_a_dsn_is_shown_without_its_password(dsn: str, masked: str) -> None:
    assert mask_dsn(dsn) == masked
    assert shown(SecretStr(dsn)) == masked


def test_check_prints_every_problem_and_exits_with_78(tmp_path: Path) -> None:
    right = written(tmp_path, "")
    assert CliRunner().invoke(config, ["check", "--config", str(right)]).exit_code == 0

    wrong = written(tmp_path, "[log]\nlevel = 3\n[retry]\njitter = 3\n")
    result = CliRunner().invoke(config, ["check", "--config", str(wrong)])

    assert result.exit_code == 78
    assert result.stdout == ""
    assert [line.partition(" (")[0] for line in result.stderr.splitlines()] == [
        "relay: retry.jitter",
        "relay: log.level",
    ]


def test_show_prints_what_is_in_force_and_where_from_without_secrets(tmp_path: Path) -> None:
    path = written(tmp_path, f'[database]\ndsn = "{DSN}"\n[security]\nmaster_key = ["{KEY}"]\n')

    values = CliRunner().invoke(config, ["show", "--config", str(path), "-o", "json"])
    table = CliRunner().invoke(config, ["show", "--sources", "--config", str(path), "-o", "table"])
    both = CliRunner().invoke(config, ["show", "--sources", "--config", str(path), "-o", "json"])

    assert json.loads(values.stdout)["delivery.max_in_flight_bytes"] == "128MiB"
    assert json.loads(both.stdout)["log.level"] == {"value": "info", "source": "default"}
    assert re.search(
        rf'(?m)^database\.dsn +"postgresql://relay:\*\*\*@db\.example/app" +{path}: ', table.stdout
    )
    for result in (values, table, both):
        assert "hunter2" not in result.stdout
        assert KEY not in result.stdout


def test_what_show_prints_can_be_set_again() -> None:
    result = CliRunner().invoke(config, ["show", "-o", "json"])

    assert load(None, json.loads(result.stdout)).settings == Settings()


def test_example_prints_the_example() -> None:
    assert CliRunner().invoke(config, ["example"]).stdout == EXAMPLE.read_text(encoding="utf-8")


def test_the_command_line_starts_without_importing_pydantic() -> None:
    program = "import relay.cli.config, relay.cli.systemd, sys; sys.exit('pydantic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def test_sinks_are_read_with_their_form_and_shown_without_what_is_secret_in_them() -> None:
    urls = ["https://ops.example.com/relay?token=hunter2", "slack+https://hooks.slack.com/services/hunter2"]
    settings = load(None, {"alerts.sinks": urls, "alerts.secret": SIGNING}).settings

    assert [(sink.url, sink.is_slack) for sink in settings.alerts.sinks] == [
        (urls[0], False),
        (urls[1].removeprefix("slack+"), True),
    ]
    assert shown(settings.alerts.sinks) == [
        "https://ops.example.com/***",
        "slack+https://hooks.slack.com/***",
    ]
    assert shown(settings.alerts.secret) == "whsec_***"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"alerts.sinks": ["ftp://hunter2"]}, "alerts.sinks"),
        ({"alerts.sinks": ["https://me:hunter2@ops.example.com/"], "alerts.secret": SIGNING}, "alerts.sinks"),
        ({"alerts.secret": "hunter2"}, "alerts.secret"),
        ({"alerts.secret": "whsec_hunter2="}, "alerts.secret"),
        ({"alerts.sinks": ["https://ops.example.com/"]}, "alerts.secret"),
    ],
)
def test_what_is_wrong_with_sinks_is_told_without_what_is_secret(
    overrides: dict[str, object], key: str
) -> None:
    problem = problems_of(overrides=overrides)

    assert "\n" not in problem
    assert problem.startswith(f"{key} (")
    assert "hunter2" not in problem


def test_slack_needs_no_secret() -> None:
    assert load(None, {"alerts.sinks": "slack+https://hooks.slack.com/x"}).settings.alerts.sinks
