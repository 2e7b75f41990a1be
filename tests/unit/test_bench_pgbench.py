"""What pgbench wrote down is read."""

from tests.bench.pgbench import read_log


def test_a_transaction_takes_what_the_log_says() -> None:
    assert read_log("0 1 1250 0 1700000000 123456 800\n3 7 90 0 1700000001 5 0\n") == [1.25, 0.09]
