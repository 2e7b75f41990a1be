"""Python with nothing but its standard library, for files that applications copy."""

import subprocess
import sys


def run_alone(code: str, *arguments: str) -> str:
    """Run `code` in a Python without site-packages, environment or current directory."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout
