from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.durations import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("250ms", 0.25),
        ("0.5ms", 0.0005),
        ("12h", 43_200),
        ("3d", 259_200),
        ("1h30m", 5_400),
        (" 2 m ", 120),
        ("1.5", 1.5),
        (45, 45),
        (0.25, 0.25),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: object, seconds: float) -> None:
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    ["", "x", "5 parsecs", "-5s", "1h x", "s", -1, True, None, [], float("nan"), 10**400, "9999999d"],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3650)))
def test_a_written_duration_reads_back_as_itself(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("written", "size"),
    [("16KiB", 16_384), ("128 MiB", 134_217_728), ("1.5KiB", 1_536), ("7", 7), (4096, 4096)],
)
def test_a_size_is_read_as_people_write_it(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "16KB", "x", "-1", -1, True, 1.5, "0.3B", "9" * 400, None])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"size|whole number"):
        parse_size(written)


@given(st.integers(min_value=0, max_value=2**40))
def test_a_written_size_reads_back_as_itself(size: int) -> None:
    assert parse_size(format_size(size)) == size
