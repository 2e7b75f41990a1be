"""Requests made from the OpenAPI document: whatever is sent, the answer is one that the document has."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from relay.admin.api import catalogue
from tests.support.admin import Panel
from tests.support.daemon import CHECKOUT

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
"""Not `ignored_auth`: wrong tokens are counted, and after ten of them nobody is let in; another test holds that."""
CONFIGURATION = """
[output.sanitization]
enabled = true
"""


async def explore(panel: Panel, folder: Path, *, seconds: int, examples: int, phases: str) -> None:
    """Let schemathesis ask everything; it must find nothing that is not as documented.

    Args:
        panel: Who is asked.
        folder: Where its configuration goes.
        seconds: After which it has taken too long.
        examples: Requests that it makes up for each route, besides those at the edges of each field.
        phases: Which kinds of requests it makes.
    """
    token = await panel.token()
    (folder / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        *("--config-file", folder / "schemathesis.toml"),
        "run",
        f"{panel.base}/api/v1/openapi.json",
        *("--header", f"Authorization: Bearer {token}"),
        *("--checks", ",".join(CHECKS)),
        *("--phases", phases),
        *("--max-examples", str(examples)),
        *("--request-timeout", "40"),
        *("--seed", "1"),
        *("--warnings", "off"),
        "--continue-on-failure",
        "--no-shrink",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "NO_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode(errors="replace")
    assert process.returncode == 0, text
    assert f"Tested: {len(catalogue.ALL)}" in text
    assert panel.daemon.logged("admin.failed") == []
    assert panel.daemon.exit_code is None


async def test_every_answer_is_one_that_the_document_has(panel: Panel, tmp_path: Path) -> None:
    await explore(panel, tmp_path, seconds=110, examples=2, phases="examples,coverage,fuzzing")


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_every_answer_to_many_requests_in_a_row_is_one_that_the_document_has(
    panel: Panel, tmp_path: Path
) -> None:
    await explore(panel, tmp_path, seconds=1700, examples=100, phases="examples,coverage,fuzzing,stateful")
