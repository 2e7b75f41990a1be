"""How long statements took is read from the server's log."""

import math

import pytest

from relay.bench.latency import percentile
from relay.bench.server_log import read_log

LINES = """\
1700000000.100 [7] bench_1|relay claim|PARSE LOG:  duration: 3.000 ms
1700000000.101 [8] bench_1|relay fan-out|BIND LOG:  duration: 0.500 ms
1700000000.110 [7] bench_1|relay claim|BIND LOG:  duration: 1.000 ms
1700000000.111 [9] bench_1|psql|SELECT LOG:  duration: 900.000 ms
1700000000.112 [5] LOG:  checkpoint starting: immediate force wait
1700000000.120 [7] bench_1|relay claim|SELECT LOG:  duration: 6.000 ms
1700000000.121 [6] bench_2|relay claim|SELECT LOG:  duration: 700.000 ms
1700000000.130 [7] bench_1|relay claim|BIND LOG:  duration: 0.250 ms
1700000000.140 [7] bench_1|relay claim|SELECT LOG:  duration: 2.000 ms
1700000000.150 [8] bench_1|relay fan-out|SELECT LOG:  duration: 4.500 ms
""".splitlines()


def test_a_statement_takes_what_its_steps_took() -> None:
    found = list(read_log(LINES, "bench_1"))

    assert [(each.session, each.ms) for each in found] == [("claim", 10.0), ("claim", 2.25), ("fan-out", 5.0)]
    assert found[0].began == pytest.approx(1700000000.110)


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(percentile((), 0.99))
