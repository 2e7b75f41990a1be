"""The addresses of a list's other pages: its filters stay, and the way back is kept in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from aiohttp import web

MOST_BACK = 20
"""Pages that the way back remembers; from further on it leads to the first."""
_BEGIN = "-"
_BETWEEN = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLinks:
    """Where somebody is in a list.

    Attributes:
        path: Of the list.
        filters: What is filled in of its filters.
        texts: The same of every filter, empty where nothing is filled in.
        cursor: Where this page begins; None: with the newest.
        back: The cursors of the pages before, the first page's first.
    """

    path: str
    filters: Mapping[str, str]
    texts: Mapping[str, str]
    cursor: str | None
    back: tuple[str, ...]

    @classmethod
    def of(cls, request: web.Request, names: tuple[str, ...]) -> Self:
        """Read an address; `names` are the list's filters."""
        query = request.query
        back = query.get("back", "")
        return cls(
            path=request.path,
            filters={name: query[name] for name in names if query.get(name)},
            texts={name: query.get(name, "") for name in names},
            cursor=query.get("cursor") or None,
            back=tuple(back.split(_BETWEEN)[-MOST_BACK:]) if back else (),
        )

    @property
    def here(self) -> str:
        """The address of this page."""
        return self._to(self.cursor, self.back)

    @property
    def newer(self) -> str | None:
        """The address of the page before; None on the first."""
        if self.cursor is None:
            return None
        last = self.back[-1] if self.back else _BEGIN
        return self._to(None if last == _BEGIN else last, self.back[:-1])

    def older(self, next_cursor: str | None) -> str | None:
        """Return the address of the next page; None on the last."""
        if next_cursor is None:
            return None
        return self._to(next_cursor, (*self.back, self.cursor or _BEGIN)[-MOST_BACK:])

    def _to(self, cursor: str | None, back: tuple[str, ...]) -> str:
        places = {} if cursor is None else {"cursor": cursor}
        if cursor is not None and back:
            places["back"] = _BETWEEN.join(back)
        query = urlencode({**self.filters, **places})
        return f"{self.path}?{query}" if query else self.path
