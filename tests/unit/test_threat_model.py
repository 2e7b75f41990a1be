"""Each line of the threat model names what holds it, and that is there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)))
BITING = (
    "transport.test_limits_bite",
    "transport.test_reuse_bites",
    "transport.test_lane_bites",
    "test_limits_bite",
)
UNDEFENDED = {
    "Threat model",
    "Strangers whose servers are called",
    "Each limit by itself",
    "Not defended against",
}
"""Headings of what says so itself, or has tables below."""


@pytest.mark.parametrize("named", NAMED)
def test_what_it_names_is_there(named: str) -> None:
    path, _, test = named.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")

    assert "\ndef test_" in text or "\nasync def test_" in text
    assert not test or re.search(rf"^(async )?def {test}\(", text, re.MULTILINE)


def test_every_line_of_a_table_names_a_test_or_says_that_nothing_holds_it() -> None:
    tables, _, limits = TEXT.partition("### Each limit by itself")
    lines = [line for line in (tables + limits.partition("\n## ")[2]).splitlines() if line.startswith("| ")]
    held = [line for line in lines if not re.search(r"(\| (held|shown) by \|$|\| nothing: )", line)]

    assert len(held) > 20
    assert [line for line in held if "`tests/" not in line] == []


def test_every_part_names_a_test() -> None:
    parts = re.split(r"^#+ (.+)$", TEXT, flags=re.MULTILINE)
    bare = {heading for heading, text in zip(parts[1::2], parts[2::2], strict=True) if "`tests/" not in text}

    assert bare <= UNDEFENDED


@pytest.mark.parametrize("module", BITING)
def test_every_limit_that_is_shown_to_bite_is_there_by_name(module: str) -> None:
    limits = importlib.import_module(f"tests.integration.{module}").LIMITS
    path = f"`tests/integration/{module.replace('.', '/')}.py`\n"
    table = TEXT.partition(f"\n{path}")[2].lstrip().partition("\n\n")[0]
    names = {name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[3])}

    assert names == set(limits)
