import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from relay.embedded.account import Account
from relay.embedded.errors import EmbeddedError

PR_SET_PDEATHSIG = 1
KEPT = ("PATH", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD")


def run(argv: Sequence[str | Path], account: Account, *, stdin: str = "", limit: float = 60) -> str:
    """Run one of PostgreSQL's tools to its end as the server's user, and return what it printed.

    Args:
        argv: the program and its arguments.
        account: the user it runs as.
        stdin: its input.
        limit: seconds until it is killed.

    Raises:
        PermissionError: the user may not execute it, e.g. for an unreachable folder or a noexec mount.
        EmbeddedError: it failed, with what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - argv is ours, no shell
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit,
            cwd="/",
            env=_environment(os.environ),
            start_new_session=True,
            preexec_fn=_ends_with_us(signal.SIGKILL),
            user=account.uid if account.dropped else None,
            group=account.gid if account.dropped else None,
            extra_groups=() if account.dropped else None,
        )
    except PermissionError:
        raise
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedError(f"cannot run {argv[0]} as {account.name}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise EmbeddedError(f"{argv[0]} failed with status {done.returncode}: {said}")
    return done.stdout


def start_server(argv: Sequence[str | Path], account: Account, log: int) -> subprocess.Popen[bytes]:
    """Start the postmaster as our child; the kernel sends it SIGINT (fast shutdown) when we die.

    A session of its own keeps a terminal's Ctrl-C away, so that it outlives the work of its owner.
    The signal is sent when the *thread* that started the child ends: call this from the main thread.

    Args:
        argv: `postgres` and its options.
        account: the user it runs as.
        log: the descriptor its messages go to.
    """
    return subprocess.Popen(  # noqa: S603 - argv is ours, no shell
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=_environment(os.environ),
        start_new_session=True,
        # One system call, prepared before the fork: nothing there takes a lock that another thread may hold.
        preexec_fn=_ends_with_us(signal.SIGINT),  # noqa: PLW1509 - see above
        user=account.uid if account.dropped else None,
        group=account.gid if account.dropped else None,
        extra_groups=() if account.dropped else None,
    )


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Pass on little: PG* would change settings, NOTIFY_SOCKET is not the server's, secrets are nobody's."""
    kept = {name: value for name, value in ours.items() if name in KEPT or name.startswith("FAKETIME")}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "HOME": "/"}


def _ends_with_us(number: signal.Signals) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl
    us = os.getpid()

    def before_exec() -> None:
        # Runs after the change of user, which would clear the setting: see prctl(2).
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != us:  # we died between fork and prctl
            os._exit(1)

    return before_exec
