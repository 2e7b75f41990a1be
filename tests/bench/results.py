"""What was found, kept as JSON so that a part can be measured again, and rendered as Markdown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise and what was measured."""

    promise: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; the first column is text, the others are numbers."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one figure came to.

    Attributes:
        title: What was measured.
        how: How, in a paragraph.
        checks: The promises.
        tables: The figures.
        raw: What the tables were made from.
    """

    title: str
    how: str
    checks: Sequence[Check]
    tables: Sequence[Table] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Return what `asdict` made of one."""
        checks = tuple(Check(**each) for each in values["checks"])
        tables = tuple(Table(**each) for each in values["tables"])
        return cls(title=values["title"], how=values["how"], checks=checks, tables=tables, raw=values["raw"])


def load(path: Path) -> dict[str, Any]:
    """Read what was found before; empty if there is nothing."""
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return results


def store(path: Path, name: str, section: Section, circumstances: Mapping[str, str]) -> None:
    """Put what was found beside the rest."""
    results = load(path)
    results[name] = {"circumstances": dict(circumstances), "section": asdict(section)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def render(results: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the page: how it was measured, the promises at a glance, then each figure in this order of names."""
    found = [(name, results[name]) for name in names if name in results]
    sections = [Section.read(each["section"]) for _, each in found]
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; no number here was typed by hand. What each figure means, and how it is measured,",
        "stands above its table. Numbers are medians of the runs, and where two things are compared, of the ratios of",
        "pairs that ran one after the other.",
        "",
        *_circumstances([each["circumstances"] for _, each in found]),
        "## At a glance",
        "",
        *_table(["promise", "measured", ""], [row for each in sections for row in _glance(each)]),
    ]
    for section in sections:
        lines += [f"## {section.title}", "", section.how, ""]
        for table in section.tables:
            lines += _table(table.heads, table.rows)
    return "\n".join(lines).rstrip() + "\n"


def _circumstances(all_of_them: Sequence[Mapping[str, str]]) -> list[str]:
    """Say where and with what it ran; several values of one thing stand side by side."""
    names = dict.fromkeys(name for each in all_of_them for name in each)
    rows = [
        [name, "; ".join(dict.fromkeys(each[name] for each in all_of_them if name in each))] for name in names
    ]
    return _table(["", ""], rows)


def _glance(section: Section) -> list[list[str]]:
    return [[each.promise, each.found, "yes" if each.holds else "**no**"] for each in section.checks]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *["---:" if _is_numeric(rows, column) else "---" for column in range(1, len(heads))]]
    lines = [heads, align, *rows]
    return [*(f"| {' | '.join(each)} |" for each in lines), ""]


def _is_numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(row[column][:1].isdigit() or row[column] in {"", "-"} for row in rows)
