"""What `docs/receiving.md` shows of the inbox runs as it is printed."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from relay.receiver import Inbox
from tests.support.application import SECRET

PAGE = Path(__file__).parents[3] / "docs" / "receiving.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BEGIN = "## Store, answer, work later"


def blocks() -> list[str]:
    """Return what is Python from the inbox on; what stands before needs a framework around it."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return BLOCK.findall(rest)


async def test_the_page_runs_from_top_to_bottom(
    empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = blocks()
    names: dict[str, Any] = {}
    for number, block in enumerate(found):
        text = block.replace("postgresql:///shop", empty_database).replace("whsec_…", SECRET)
        code = compile(text, f"block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)  # noqa: S307 - our own documentation
        if inspect.isawaitable(result):
            await result

    assert len(found) >= 8
    assert "Stats(waiting=0" in capsys.readouterr().out
    assert isinstance(names["inbox"], Inbox)
    assert names["allow_list"].allows("10.0.0.1", ["203.0.113.7"])
