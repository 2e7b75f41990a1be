"""A filter is judged as PostgreSQL's `jsonb @>` would, on any text that `json` takes, and in bounded time."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.endpoints.filters import MOST_STEPS, Json, NotJudged, contains, depth_of, parse

CASES = [
    ('{"a": 1, "b": 2}', '{"a": 1}', True),
    ('{"a": 1}', '{"a": 1, "b": 2}', False),
    ('{"a": 1}', '{"a": 2}', False),
    ('{"a": {"b": 1, "c": 2}}', '{"a": {"c": 2}}', True),
    ('{"a": {"b": 1}}', '{"a": {}}', True),
    ('{"a": [1]}', '{"a": {}}', False),
    ('{"a": {"0": 1}}', '{"a": [1]}', False),
    ('{"a": [1, 2, 3]}', '{"a": [3, 1, 1]}', True),
    ('{"a": [1, 2, 3]}', '{"a": [4]}', False),
    ('{"a": [1, 2]}', '{"a": []}', True),
    ('{"a": [1, 2]}', '{"a": 1}', False),
    ('{"a": [{"b": 1, "c": 2}, 5]}', '{"a": [{"c": 2}]}', True),
    ('{"a": [[1, 2], [3]]}', '{"a": [[2]]}', True),
    ('{"a": [[1], [2]]}', '{"a": [[1, 2]]}', False),
    ('{"a": 1.0}', '{"a": 1}', True),
    ('{"a": 1e2}', '{"a": 100}', True),
    ('{"a": 0.1}', '{"a": 0.10000000000000001}', False),
    ('{"a": true}', '{"a": 1}', False),
    ('{"a": [true]}', '{"a": [1]}', False),
    ('{"a": "1"}', '{"a": 1}', False),
    ('{"a": null}', '{"a": null}', True),
    ("{}", '{"a": null}', False),
    ('{"a": 1, "a": 2}', '{"a": 2}', True),
    ("[1]", '{"a": 1}', False),
    ("5", '{"a": 1}', False),
]
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(("payload", "condition", "expected"), CASES)
def test_containment_is_that_of_jsonb(payload: str, condition: str, *, expected: bool) -> None:
    assert contains(parse(payload), parse(condition)) is expected


@given(VALUES)
def test_everything_contains_itself(value: Json) -> None:
    assert contains(value, value)


@given(st.dictionaries(st.text(max_size=2), VALUES, max_size=4), st.data())
def test_an_object_contains_every_part_of_it(value: dict[str, Json], data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(value)))) if value else set[str]()

    assert contains(value, {key: value[key] for key in kept})


@pytest.mark.parametrize(
    "payload", ['{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1e400}', '{"a": ' + "9" * 5000 + "}"]
)
def test_what_jsonb_cannot_hold_is_judged(payload: str) -> None:
    assert not contains(parse(payload), parse('{"a": 1}'))
    assert contains(parse(payload), parse("{}"))


def test_numbers_are_compared_exactly() -> None:
    assert parse("1e400") == Decimal("1e400")
    assert contains(parse('{"a": 12345678901234567890.5}'), parse('{"a": 12345678901234567890.50}'))


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '{"a": 1e99999999999999999999}', "NaN", "{", ""]
)
def test_what_cannot_be_read_is_said_to_be_so(text: str) -> None:
    with pytest.raises(NotJudged):
        parse(text)


def test_a_filter_made_to_take_long_is_given_up() -> None:
    hostile = parse(json.dumps({"a": [{"b": number} for number in range(100)]}))
    payload = parse(json.dumps({"a": [{"b": number} for number in reversed(range(MOST_STEPS // 50))]}))

    with pytest.raises(NotJudged, match="comparisons"):
        contains(payload, hostile)


@pytest.mark.parametrize(("text", "depth"), [("1", 0), ("{}", 1), ('{"a": [1, {"b": 2}]}', 3)])
def test_depth_is_counted_in_objects_and_arrays(text: str, depth: int) -> None:
    assert depth_of(parse(text)) == depth
