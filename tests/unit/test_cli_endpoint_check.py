import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from relay.cli.endpoint_check import check

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ssrf.json").read_text(encoding="utf-8")
)["vectors"]


def run(*options: str, lines: bytes = b"") -> Result:
    return CliRunner().invoke(check, options, input=lines)


def answers(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_all_vectors_from_stdin_are_judged_right_in_their_order() -> None:
    lines = "".join(json.dumps(vector["url"]) + "\n" for vector in VECTORS).encode()
    found = answers(run("--stdin", "--allow-http", lines=lines))
    assert [answer["url"] for answer in found] == [vector["url"] for vector in VECTORS]
    assert [answer["allowed"] for answer in found] == [
        vector["at_registration"] == "allow" for vector in VECTORS
    ]
    assert all((answer["reason"] is None) == answer["allowed"] for answer in found)


def test_arguments_are_judged_with_strict_defaults() -> None:
    found = answers(run("https://example.com/hook", "http://example.com/hook"))
    assert found[0] == {"url": "https://example.com/hook", "allowed": True, "reason": None}
    assert found[1]["reason"].startswith("scheme_not_allowed: ")


def test_networks_can_be_opened_and_closed() -> None:
    options = ("--allow-cidr", "10.0.0.0/8", "--deny-cidr", "10.1.0.0/16")
    found = answers(run("https://10.2.0.1/", "https://10.1.0.1/", *options))
    assert [answer["allowed"] for answer in found] == [True, False]


def test_a_line_that_is_no_json_string_gets_an_answer_too() -> None:
    lines = (
        b'nope\n\n{"a": 1}\n"https://example.com"\n\xff\n"\\ud800"\n'
        + b"[" * 100_000
        + b'\n"https://a.example"'
    )
    found = answers(run("--stdin", lines=lines))
    assert [answer["allowed"] for answer in found] == [False, False, True, False, False, False, True]
    assert [answer["reason"].split(":")[0] for answer in found if answer["reason"]] == [
        "bad_input",
        "bad_input",
        "bad_input",
        "bad_character",
        "bad_input",
    ]


def test_wrong_usage_exits_with_2() -> None:
    assert run().exit_code == 2
    result = run("https://example.com", "--allow-cidr", "everything")
    assert result.exit_code == 2
    assert "10.0.0.0/8" in result.stderr
