"""The master key of an embedded set-up, made at its first start."""

import base64
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def key_path(data_dir: Path) -> Path:
    """Return where the master key of an embedded database is: beside its folder, and not in it, as backups are."""
    return data_dir.with_name(data_dir.name + ".key")


def read_key(data_dir: Path) -> bytes | None:
    """Return the master key of an embedded database; None if it has none.

    Raises:
        OSError: It is not for us to read.
        ValueError: It is damaged.
    """
    try:
        key = base64.b64decode(key_path(data_dir).read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"{key_path(data_dir)} is no master key: it has to be the base64 of {KEY_BYTES} bytes"
        )
    return key


def ensure_key_file(path: Path) -> str:
    """Return the master key in `path`: base64 of 32 bytes; made, readable for its owner only, if it is not there.

    Raises:
        OSError: The file can be neither read nor made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key
