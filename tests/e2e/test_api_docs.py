"""The examples of docs/api.md run, from the first to the last."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.admin import Panel
from tests.support.daemon import CHECKOUT, surroundings

DOCUMENT = CHECKOUT / "docs" / "api.md"
DEFAULT = "http://127.0.0.1:8420"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed; cure: apt-get install curl")
async def test_the_examples_of_the_how_to_run(panel: Panel, tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    script = "set -euo pipefail\n" + "\n".join(blocks).replace(DEFAULT, panel.base)
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=tmp_path,
        env={
            **surroundings(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RELAY_DATABASE__DSN": panel.world.dsn,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")
    async with panel.client() as client, client.get("/api/v1/openapi.json") as response:
        assert (await response.json())["openapi"] == "3.1.0"
