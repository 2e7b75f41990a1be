import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from relay.cli.verify import verify

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
STANDARD = "v1,HI38AsKPx8rrZ/X/m5Bh095DsC88VAletNrtpK3Qn0c="
X_WEBHOOK = "t=1760000000,v1=d4635de2eff4f0c5adabaaab69f3ed3c8aba3c9abbbaa432429a2ff5fd83d0e2"
NOW = ("--now", "1760000000")
STANDARD_OPTIONS = ("--id", "evt_1", "--timestamp", "1760000000", "--signature", STANDARD)


def run(*options: str, body: bytes | None = None, secret: str | None = SECRET) -> Result:
    environment = {"RELAY_SECRET": secret}
    return CliRunner(env=environment).invoke(verify, options, input=body)


def test_the_standard_format_by_short_options_with_the_body_from_stdin() -> None:
    result = run(*STANDARD_OPTIONS, *NOW, body=b'{"a":1}')
    assert (result.exit_code, result.stdout) == (0, "OK  id=evt_1 timestamp=1760000000 format=standard\n")
    assert result.stderr == ""


def test_the_other_format_needs_only_its_signature() -> None:
    result = run("--signature", X_WEBHOOK, "--body", '{"a":1}', *NOW)
    assert (result.exit_code, result.stdout) == (
        0,
        "OK  id=(not given) timestamp=1760000000 format=x-webhook\n",
    )


def test_headers_and_the_body_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b'{"a":1}')
    headers = ("webhook-id: evt_1", "Webhook-Timestamp:1760000000", f"webhook-signature: {STANDARD}")
    options = [part for header in headers for part in ("-H", header)]
    result = run(*options, "--body-file", str(file), *NOW, "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "ok": True,
        "id": "evt_1",
        "timestamp": 1760000000,
        "format": "standard",
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((*STANDARD_OPTIONS, "--body", "other", *NOW), "signature_mismatch"),
        ((*STANDARD_OPTIONS, "--body", '{"a":1}'), "timestamp_too_old"),
        ((*STANDARD_OPTIONS, "--body", '{"a":1}', "--format", "x-webhook", *NOW), "missing_header"),
        (("--id", "evt_1", "--body", "", *NOW), "missing_header"),
    ],
)
def test_what_is_not_valid_is_told_and_exits_with_1(options: tuple[str, ...], reason: str) -> None:
    result = run(*options)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"NOT VALID  {reason}: ")
    assert json.loads(run(*options, "-o", "json").stdout)["reason"] == reason


def test_an_old_request_passes_with_a_wide_tolerance() -> None:
    assert run(*STANDARD_OPTIONS, "--body", '{"a":1}', "--tolerance", "1e10").exit_code == 0


def test_a_line_end_added_by_echo_is_noticed() -> None:
    result = run(*STANDARD_OPTIONS, *NOW, body=b'{"a":1}\n')
    assert result.exit_code == 1
    assert "without its last line end" in result.stderr


def test_a_secret_on_the_command_line_is_warned_about_and_one_of_several_is_enough() -> None:
    result = run(
        *STANDARD_OPTIONS, *NOW, "--secret", OTHER, "--secret", SECRET, "--body", '{"a":1}', secret=None
    )
    assert result.exit_code == 0
    assert "shell's history" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-H", "no colon"),
        ("-H", ": x"),
        (*STANDARD_OPTIONS, "--body", "a", "--body-file", __file__),
        (*STANDARD_OPTIONS, "--body", "a", "--now", "nan"),
        (*STANDARD_OPTIONS, "--tolerance", "-1"),
    ],
)
def test_wrong_usage_exits_with_2(options: tuple[str, ...]) -> None:
    assert run(*options, body=b"").exit_code == 2


def test_without_a_secret_it_says_where_to_give_one() -> None:
    result = run(*STANDARD_OPTIONS, secret=None)
    assert result.exit_code == 2
    assert "RELAY_SECRET" in result.stderr


def test_a_wrong_secret_is_never_repeated() -> None:
    result = run(*STANDARD_OPTIONS, "--body", "", secret="whsec_canary")
    assert result.exit_code == 1
    assert "canary" not in result.output
