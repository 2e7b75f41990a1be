import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.retry_after import retry_after

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        (" 7 ", 7),
        ("0000000009", 9),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun Nov  6 08:50:37 1994", 60),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    ],
)
def test_every_legal_form_is_understood(value: str, seconds: float) -> None:
    assert retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-5",
        "1.5",
        "1e3",
        "99999999999",
        "Sun, 06 Nov 1994 08:00:00 GMT",
        "Sun, 06 Nov 1994 08:50:37 CET",
        "Sun, 31 Feb 2094 08:50:37 GMT",
        "1" * 5000,
    ],
)
def test_nonsense_and_the_past_count_as_absent(value: str | None) -> None:
    assert retry_after(value, now=NOW) == 0.0


@given(
    st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"),
    st.floats(0, 1e11),
)
def test_whatever_an_endpoint_sends_gives_a_finite_pause(value: str, now: float) -> None:
    assert 0.0 <= retry_after(value, now=now) < 1e12
