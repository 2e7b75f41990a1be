"""Where settings come from, which source wins, and how mistakes in each are explained."""

from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from relay.config import Settings, flatten, load
from tests.support.configuration import forget_surroundings, problems_of, written

KEY = b64encode(bytes(range(32))).decode()
DSN = "postgresql://relay:hunter2@db.example/app"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_surroundings(monkeypatch, tmp_path)


def test_the_stronger_source_wins_and_each_value_remembers_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(
        tmp_path, '[retry]\nbase = "1s"\nfactor = 2\njitter = 0.1\nmax_age = "1h"\nmax_delay = "30m"\n'
    )
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for key, text in {"factor": "3", "jitter": "0.3", "max_age": "3h\n"}.items():
        (credentials / f"retry__{key}").write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("RELAY_RETRY__JITTER", "0.4")
    monkeypatch.setenv("RELAY_RETRY__MAX_AGE", "4h")

    loaded = load(path, {"retry.max_age": "5h", "retry.schedule": None})

    retry, sources = loaded.settings.retry, loaded.sources
    assert (retry.base, sources["retry.base"]) == (timedelta(seconds=1), f"{path}: retry.base")
    assert (retry.factor, sources["retry.factor"]) == (3, f"credential {credentials}/retry__factor")
    assert (retry.jitter, sources["retry.jitter"]) == (0.4, "environment variable RELAY_RETRY__JITTER")
    assert (retry.max_age, sources["retry.max_age"]) == (timedelta(hours=5), "command line")
    assert (retry.schedule, sources["retry.schedule"]) == ((), "default")
    assert list(sources) == list(flatten(loaded.settings))


def test_lists_and_secrets_come_as_text_from_environment_and_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "security__master_key").write_text(f"{KEY}\n{KEY}\n")
    (tmp_path / "tls.key").write_bytes(b"\xff of another program")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("RELAY_SECURITY__DENY_CIDRS", "10.0.0.0/8,192.168.0.0/16")
    monkeypatch.setenv("RELAY_DATABASE__LISTEN", "no")

    settings = load(None, {}).settings

    assert len(settings.security.master_key) == 2
    assert len(settings.security.deny_cidrs) == 2
    assert settings.database.listen is False


def test_the_file_is_the_one_named_else_the_environments_else_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, level in {"default": "debug", "environment": "warning", "named": "error"}.items():
        (tmp_path / name).write_text(f'[log]\nlevel = "{level}"\n')

    monkeypatch.setattr("relay.config.DEFAULT_PATH", tmp_path / "default")
    assert load(None, {}).settings.log.level == "debug"
    monkeypatch.setenv("RELAY_CONFIG", str(tmp_path / "environment"))
    assert load(None, {}).settings.log.level == "warning"
    assert load(tmp_path / "named", {}).settings.log.level == "error"


def test_a_database_url_in_the_environment_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DSN)

    assert load(None, {}).settings.database.dsn.get_secret_value() == ""


def test_all_mistakes_of_all_sources_are_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, '[retry]\nfactor = 0\n[delivery]\ntimout = "3s"\nmax_payload_bytes = "1GiB"\n')
    (tmp_path / "log__levle").write_text("info")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("RELAY_LOG__FORMAT", "xml")

    problems = problems_of(path, {"database.dns": DSN}).splitlines()

    assert [problem.partition(" (")[0] for problem in problems] == [
        "delivery.timout",
        "log.levle",
        "database.dns",
        "retry.factor",
        "log.format",
        "delivery.max_payload_bytes",
    ]
    assert f"({path}: retry.factor)" in problems[3]
    assert "(environment variable RELAY_LOG__FORMAT)" in problems[4]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[databse]\ndsn = ''", "databse (FILE): unknown section; did you mean database?"),
        (
            "[delivery]\ntimout = 1",
            "delivery.timout (FILE: delivery.timout): unknown key; did you mean timeout?",
        ),
        ("[retry]\nallow_http = true", "unknown key; did you mean security.allow_http?"),
        ("[log]\nzzz = 1", "unknown key; [log] has level, format, sample_success"),
        ("timeout = 3", "is a key of [delivery]; write it below that line"),
        ("retry = 3", "is a section; write [retry]"),
        ("[log]\nlevel = \n", "FILE: is not valid TOML: Invalid value (at line 2"),
    ],
)
def test_a_mistake_in_the_file_is_explained(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)

    assert says.replace("FILE", str(path)) in problems_of(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# \xe9")

    assert "cannot be read: No such file" in problems_of(tmp_path / "none.toml")
    assert "cannot be read: Is a directory" in problems_of(tmp_path)
    assert "is not UTF-8 at byte 2" in problems_of(tmp_path / "latin")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("RELAY_DELIVERY__TIMOUT", "unknown key; did you mean timeout?"),
        ("RELAY_DELIVRY__TIMEOUT", "unknown section; did you mean delivery?"),
        ("RELAY_DELIVERY_TIMEOUT", "set RELAY_DELIVERY__TIMEOUT"),
    ],
)
def test_a_misspelt_variable_is_an_error(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "30s")

    problem = problems_of()

    assert f"(environment variable {name})" in problem
    assert says in problem


def test_variables_and_credentials_of_others_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other__secret").write_text("x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("RELAY_TEST_STRICT", "1")
    monkeypatch.setenv("RELAY_HOST", "mail.example")

    assert load(None, {}).settings == Settings()


def test_a_credential_that_is_no_small_text_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "database__dsn").mkdir()
    (tmp_path / "log__level").write_bytes(b"\xff")
    (tmp_path / "log__format").write_bytes(b"x" * 70_000)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert len(problems_of().splitlines()) == 3
