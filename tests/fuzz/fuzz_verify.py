"""Give verify() what atheris makes up, guided by which lines it reaches; see `make fuzz`."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["relay.receiver.verify", "tests.fuzz.target"]):
    from tests.fuzz.target import NAMES, NOW, RIGHT, check


def seed(folder: Path) -> None:
    """Write one right request a format, from which everything else is bred."""
    headers = {0: b"evt_1", 1: str(NOW).encode(), 2: b"v1,%c v1,AAAA" % RIGHT}
    x_webhook = {3: b"evt_1", 4: b"t=%d,v1=%c,v1=00" % (NOW, RIGHT)}
    for number, chosen in enumerate((headers, x_webhook, headers | x_webhook)):
        described = b"".join(
            bytes([index + len(NAMES), len(value)]) + value for index, value in chosen.items()
        )
        request = bytes([number, 0, 0]) + described + b'\0{"a":1}'
        if not check(request):
            raise SystemExit(f"seed {number} is not accepted")
        (folder / f"seed-{number}").write_bytes(request)


def once(data: bytes) -> None:
    """Check without telling libFuzzer what came of it: a value would steer the corpus."""
    check(data)


def main() -> None:
    """Take libFuzzer's options; the first argument is the folder of the corpus."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    seed(corpus)
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
