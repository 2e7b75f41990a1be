"""A member of a JSON object is found as it was written."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.admin.api.raw import member

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
SPACES = st.text(" \t\n\r", max_size=3)


@given(
    st.lists(st.tuples(st.sampled_from(["payload", "other", 'a"b', ""]), VALUES), max_size=5),
    SPACES,
    st.booleans(),
)
def test_it_is_the_last_of_its_name_byte_for_byte(
    members: list[tuple[str, Any]], space: str, is_ascii: bool
) -> None:
    written = [(name, json.dumps(value, ensure_ascii=is_ascii, indent=1)) for name, value in members]
    inside = f"{space},{space}".join(f"{json.dumps(name)}{space}:{space}{value}" for name, value in written)

    found = member(f"{space}{{{space}{inside}{space}}}{space}", "payload")

    assert found == dict(written).get("payload")


def test_numbers_stay_as_they_are_however_long() -> None:
    number = "1" + "0" * 10_000
    assert member(f'{{"payload": {number}}}', "payload") == number
    assert member('{"payload": 1.0e400}', "payload") == "1.0e400"
