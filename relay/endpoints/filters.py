"""Whether a payload contains what an endpoint's filter asks for, as PostgreSQL's `jsonb @>` has it. Pure.

It is judged on the text of the payload and never by a cast to jsonb: NUL characters, lone surrogates and numbers of any
size are valid `json`, and a statement that casts them fails for every event in it.
"""

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | Decimal | bool | None"

MOST_STEPS = 100_000
"""Comparisons of one judgement: strangers write filters, and the event loop is everybody's."""
LONGEST_INTEGER = 4000
"""Digits that Python turns into an integer; it refuses longer ones, since that takes long."""


class NotJudged(ValueError):  # noqa: N818 - it says what happened
    """A payload, or a filter, is too deep, too long or no JSON at all: what it contains cannot be said."""


def parse(text: str) -> Json:
    """Return what a JSON text stands for, numbers exactly.

    Raises:
        NotJudged: It is no JSON, or nested too deeply.
    """
    try:
        parsed: Json = json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=_constant)
    except (RecursionError, ValueError) as error:
        raise NotJudged(f"{type(error).__name__}: {error}"[:200]) from error
    return parsed


def contains(whole: Json, part: Json) -> bool:
    """Say whether `whole` contains `part`.

    An object contains another if it has all its keys with values that contain the other's; an array contains another if
    each element of the other is in one of its own, in any order; anything else has to be equal. 1 and 1.0 are equal,
    1 and true are not.

    Raises:
        NotJudged: It takes too many comparisons, or they go too deep.
    """
    try:
        return _Judgement().contains(whole, part)
    except RecursionError as error:
        raise NotJudged("it is nested too deeply") from error


class _Judgement:
    """One judgement, with its bound."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def contains(self, whole: Json, part: Json) -> bool:
        self._take_steps(1)
        if isinstance(part, dict):
            return isinstance(whole, dict) and all(
                key in whole and self.contains(whole[key], value) for key, value in part.items()
            )
        if isinstance(part, list):
            return isinstance(whole, list) and self._has_all(whole, part)
        return not isinstance(whole, dict | list) and _scalar(whole) == _scalar(part)

    def _has_all(self, whole: list[Json], part: list[Json]) -> bool:
        self._take_steps(len(whole))
        scalars = {_scalar(each) for each in whole if not isinstance(each, dict | list)}
        nested = [each for each in whole if isinstance(each, dict | list)]
        return all(
            any(self.contains(each, wanted) for each in nested)
            if isinstance(wanted, dict | list)
            else _scalar(wanted) in scalars
            for wanted in part
        )

    def _take_steps(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise NotJudged(f"it takes more than {MOST_STEPS} comparisons")


def _scalar(value: Json) -> tuple[str, Json]:
    """Return a value that equals only what JSON holds equal: a boolean is no number."""
    if isinstance(value, bool):
        return "boolean", value
    return ("number", value) if isinstance(value, int | Decimal) else ("other", value)


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= LONGEST_INTEGER else Decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("a number's exponent is out of bounds") from error


def _constant(text: str) -> Json:
    raise ValueError(f"{text} is no JSON")


def depth_of(value: Json) -> int:
    """Return how deeply objects and arrays are nested in `value`; 0 for anything else."""
    inner: Iterable[Json] = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    return 1 + max(map(depth_of, inner), default=0) if isinstance(value, dict | list) else 0
