"""Arrays as PostgreSQL writes them, for parameters that hold one value a delivery.

The driver asks of every element of an array, through abstract base classes, whether it is an array itself; for the rows
of a batch that costs more than all else about them. A text made here and cast in the statement costs an eighth.
"""

from collections.abc import Iterable
from uuid import UUID


def numbers(values: Iterable[float | None]) -> str:
    """Return whole or floating numbers as the text of an array."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def flags(values: Iterable[bool]) -> str:
    """Return booleans as the text of an array."""
    return f"{{{','.join(['t' if value else 'f' for value in values])}}}"


def names(values: Iterable[str | UUID | None]) -> str:
    """Return ids and words as the text of an array.

    Args:
        values: Of letters, digits, "_" and "-" alone.
    """
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"
