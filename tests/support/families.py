"""Run a command with some address families of sockets and no others, as RestrictAddressFamilies= of systemd does.

Run as a program: FAMILY,FAMILY... COMMAND...; a socket of another family fails with EAFNOSUPPORT (systemd.exec(5)).
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
MODE_FILTER = 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS; BPF_JMP | BPF_JEQ | BPF_K; BPF_RET | BPF_K
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # their places in struct seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""What audit calls the machine, and its number of the system call `socket`."""


def instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """Return one instruction of the filter; the jumps count from the next one."""
    return struct.pack("HBBI", code, then, otherwise, value)


def filter_of(families: list[int]) -> bytes:
    """Return the filter: everything is allowed but a socket of another family."""
    machine, call = MACHINES[platform.machine()]
    refuse = len(families) + 1
    return b"".join([
        instruction(LOAD, ARCHITECTURE),
        instruction(EQUAL, machine, 0, refuse + 3),
        instruction(LOAD, NUMBER),
        instruction(EQUAL, call, 0, refuse + 1),
        instruction(LOAD, FIRST_ARGUMENT),
        *(instruction(EQUAL, family, len(families) - place) for place, family in enumerate(families)),
        instruction(RETURN, REFUSE),
        instruction(RETURN, ALLOW),
    ])  # fmt: skip


def main() -> None:
    """Become the command."""
    names, *command = sys.argv[1:]
    program = filter_of([socket.AddressFamily[name] for name in names.split(",")])
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, MODE_FILTER, described, 0, 0
    ):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)  # noqa: S606 - it is to be this process


if __name__ == "__main__":
    main()
