"""Members of a JSON object as they were written: what is to be sent byte for byte must not be read and written anew."""

import json
import re

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Its values are thrown away: numbers of any length are read as text."""


def member(text: str, name: str) -> str | None:
    """Return a member of a JSON object as it is written; None if there is none. Of several the last counts.

    Args:
        text: A JSON object, known to be one.
        name: Of the member.
    """
    found = None
    place = _skip(text, text.index("{") + 1)
    while text[place] != "}":
        if text[place] == ",":
            place = _skip(text, place + 1)
        key, place = _DECODER.raw_decode(text, place)
        begin = _skip(text, _skip(text, place) + 1)
        _, end = _DECODER.raw_decode(text, begin)
        if key == name:
            found = text[begin:end]
        place = _skip(text, end)
    return found


def _skip(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return place if space is None else space.end()
