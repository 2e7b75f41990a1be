"""Samples of stacks become parts."""

from tests.bench.spy import Part, parts_of, read_stacks

LINES = """\
run (asyncio/runners.py);send (relay/http/transport.py) 6
run (asyncio/runners.py) 1
run (asyncio/runners.py);walk (a.py);walk (a.py);send (relay/http/transport.py) 2
run (asyncio/runners.py);walk (a.py);walk (a.py) 1
""".splitlines()


def test_a_part_has_its_own_time_and_that_of_what_it_calls() -> None:
    assert parts_of(read_stacks(LINES)) == [
        Part(function="send", file="relay/http/transport.py", own=0.8, whole=0.8),
        Part(function="run", file="asyncio/runners.py", own=0.1, whole=1.0),
        Part(function="walk", file="a.py", own=0.1, whole=0.3),
    ]
