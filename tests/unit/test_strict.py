"""The plugin is tried on a small project of its own, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPING = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="no frobnicator; apt-get install frobnicator")
def test_needs_a_tool():
    pass

@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail():
    assert False
"""
SKIPPING_WHOLLY = """
import pytest
pytest.skip("no gadget; make gadget", allow_module_level=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(SKIPPING)
    (tmp_path / "test_none.py").write_text(SKIPPING_WHOLLY)
    return tmp_path


def run(project: Path, *, strict: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.strict", "-p", "no:cacheprovider", "."],
        cwd=project,
        env=os.environ | {"RELAY_TEST_STRICT": strict, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_usual_run_passes_and_names_each_skip_with_its_cure(project: Path) -> None:
    code, output = run(project, strict="")

    assert code == 0, output
    assert "test_some.py::test_needs_a_tool: no frobnicator; apt-get install frobnicator" in output
    assert "test_none.py: no gadget; make gadget" in output
    assert "test_is_expected_to_fail:" not in output


def test_a_strict_run_fails_for_a_skipped_test(project: Path) -> None:
    (project / "test_none.py").unlink()

    code, output = run(project, strict="1")

    assert code == 1, output
    assert "1 passed, 1 xfailed, 1 error" in output
    assert "RELAY_TEST_STRICT=1 forbids: no frobnicator" in output


def test_a_strict_run_fails_for_a_file_that_skips_itself(project: Path) -> None:
    (project / "test_some.py").unlink()

    code, output = run(project, strict="1")

    assert code != 0, output
    assert "RELAY_TEST_STRICT=1 forbids: no gadget" in output
