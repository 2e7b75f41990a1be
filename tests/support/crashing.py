"""Run a command, where core files may be as large as they like, and write down how it ended.

Run as a program: FOLDER COMMAND... The command's core file goes into FOLDER if the machine writes core files to where a
process is; how it ended goes into FOLDER/end.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the command."""
    folder, *command = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    prctl = ctypes.CDLL(None).prctl
    child = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - there is one thread
    )
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED)
    assert ended is not None
    said = {"signal": ended.si_status, "dumped": ended.si_code == os.CLD_DUMPED}
    (Path(folder) / "end").write_text(json.dumps(said), encoding="ascii")


if __name__ == "__main__":
    main()
