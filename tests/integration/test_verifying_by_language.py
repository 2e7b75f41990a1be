"""The programs of docs/verifying.md accept what was signed, and refuse everything else."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import relay
from tests.support.signed_requests import ACCEPTED, NO_SECRETS, REFUSED, SignedRequest, signed

DOCUMENT = (Path(__file__).parents[2] / "docs" / "verifying.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How to run a program.

    Attributes:
        file: What it is called.
        tool: Without it the tests are skipped.
        cure: How to get it.
        run: The command, in the program's folder.
        build: What is done once before, in the program's folder.
    """

    file: str
    tool: str
    cure: str
    run: tuple[str, ...]
    build: tuple[str, ...] = ()


LANGUAGES = {
    "js": Language(file="verify.mjs", tool="node", cure="nodejs", run=("node", "verify.mjs")),
    "go": Language(
        file="verify.go", tool="go", cure="golang-go", run=("./verify",), build=("go", "build", "verify.go")
    ),
    "ruby": Language(file="verify.rb", tool="ruby", cure="ruby", run=("ruby", "-w", "verify.rb")),
    "php": Language(file="verify.php", tool="php", cure="php-cli", run=("php", "verify.php")),
    "python": Language(
        file="program.py",
        tool="python3",
        cure="python3",
        run=(sys.executable, "-S", "-W", "error", "program.py"),
    ),
    "sh": Language(file="verify.sh", tool="openssl", cure="openssl", run=("sh", "verify.sh")),
}
# A JDK is too large to be asked of everybody who runs the tests: Java runs where there is one, and nobody is told where
# there is none.
if shutil.which("javac"):
    LANGUAGES["java"] = Language(
        file="Verify.java",
        tool="javac",
        cure="default-jdk-headless",
        run=("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", ".", "Verify"),
        build=("javac", "-Xlint:all", "-Werror", "Verify.java"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A program that is ready to run."""

    command: tuple[str, ...]
    folder: Path

    def statuses(self, requests: Mapping[str, SignedRequest]) -> dict[str, int]:
        """Run it once a request, and return how it ended; a program that complains has failed."""
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(requests, pool.map(self._status, requests.values()), strict=True))

    def run(self, asked: SignedRequest) -> subprocess.CompletedProcess[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "WEBHOOK_ID": asked.event_id,
            "WEBHOOK_TIMESTAMP": asked.timestamp,
            "WEBHOOK_SIGNATURE": asked.signature,
            "WEBHOOK_SECRET": asked.secret,
        }
        if asked.now is not None:
            environment["NOW"] = str(asked.now)
        return subprocess.run(
            self.command,
            cwd=self.folder,
            env=environment,
            input=asked.body,
            capture_output=True,
            check=False,
            timeout=30,
        )

    def _status(self, asked: SignedRequest) -> int:
        done = self.run(asked)
        assert (done.stdout, done.stderr) == (b"", b"")
        return done.returncode


@pytest.fixture(scope="module", params=LANGUAGES)
def verifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    language = LANGUAGES[request.param]
    if shutil.which(language.tool) is None:
        pytest.skip(f"{language.tool} is not installed; cure: apt-get install {language.cure}")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / language.file).write_text(PROGRAMS[request.param], encoding="utf-8")
    if request.param == "python":
        shutil.copy(Path(relay.__file__).parent / "receiver" / "verify.py", folder)
    if language.build:
        subprocess.run(language.build, cwd=folder, check=True, timeout=110, capture_output=True)
    return Verifier(command=language.run, folder=folder)


def test_every_language_has_a_program() -> None:
    assert set(PROGRAMS) == {*LANGUAGES, "java"}


def test_what_was_signed_is_accepted(verifier: Verifier) -> None:
    assert verifier.statuses(ACCEPTED) == dict.fromkeys(ACCEPTED, 0)


def test_everything_else_is_refused(verifier: Verifier) -> None:
    assert verifier.statuses(REFUSED) == dict.fromkeys(REFUSED, 1)


@pytest.mark.parametrize("name", NO_SECRETS)
def test_a_spoiled_secret_is_no_key_that_anybody_can_sign_with(verifier: Verifier, name: str) -> None:
    assert verifier.run(NO_SECRETS[name]).returncode != 0


def test_by_default_the_clock_says_what_now_is(verifier: Verifier) -> None:
    moment = int(time.time())
    ages = {"just now": 0, "a while ago": 200, "long ago": 400, "far ahead": -400}
    requests = {name: replace(signed(timestamp=str(moment - age)), now=None) for name, age in ages.items()}
    assert verifier.statuses(requests) == {"just now": 0, "a while ago": 0, "long ago": 1, "far ahead": 1}
