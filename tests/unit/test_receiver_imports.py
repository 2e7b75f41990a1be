"""What importing the receiver brings along: nothing that a receiver does not need."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
before = set(sys.modules)
{statement}
print(*sorted(
    name for name in set(sys.modules) - before
    if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("_")
))
"""
OWN = {"relay", "relay.receiver", "relay.receiver.verify"}
OF_THE_INBOX = frozenset(
    {
        *(
            "arrivals",
            "attempt",
            "dead",
            "ear",
            "inbox",
            "intake",
            "kept_headers",
            "line",
            "ordering",
            "retention",
        ),
        *("retrying", "running", "schema", "statements", "sweep", "workers"),
    }
)


def loaded(statement: str) -> set[str]:
    """Return the modules outside the standard library that a statement loads in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_receiver_loads_the_verification_and_nothing_else() -> None:
    assert loaded("import relay.receiver") == OWN
    assert loaded("from relay.receiver import VerificationError, verify") == OWN


def test_verifying_does_not_load_even_asyncio() -> None:
    program = "import relay.receiver, sys; sys.exit('asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_allow_list_needs_only_the_standard_library() -> None:
    assert loaded("from relay.receiver import AllowList") == OWN | {"relay.receiver.allowlist"}


def test_the_inbox_needs_asyncpg_and_nothing_of_the_relay() -> None:
    found = loaded("from relay.receiver import Inbox")
    of_relay = {name for name in found if name.partition(".")[0] == "relay"}

    assert {name.partition(".")[0] for name in found - of_relay} <= {"asyncpg", "cython_runtime"}
    assert of_relay == OWN | {f"relay.receiver.{name}" for name in OF_THE_INBOX}


@pytest.mark.parametrize(("adapter", "needs"), [("wsgi", set()), ("asgi", set()), ("aiohttp", {"aiohttp"})])
def test_an_adapter_needs_neither_asyncpg_nor_another_framework(adapter: str, needs: set[str]) -> None:
    found = {name.partition(".")[0] for name in loaded(f"import relay.receiver.adapters.{adapter}")}

    assert "asyncpg" not in found
    assert needs <= found
    assert not found & {"django", "fastapi", "flask", "starlette", "uvicorn", "structlog", "click"}
    assert needs or found == {"relay"}


def test_a_name_that_is_not_there_is_told_as_python_tells_it() -> None:
    import relay.receiver  # noqa: PLC0415 - its attributes are what is tested

    with pytest.raises(AttributeError, match="no attribute 'canary'"):
        _ = relay.receiver.canary
    for name in relay.receiver.__all__:
        assert getattr(relay.receiver, name) is not None
