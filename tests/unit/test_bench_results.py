"""What was measured is kept, and becomes a page."""

from pathlib import Path

from tests.bench.results import Check, Section, Table, load, render, store

SECTION = Section(
    title="Speed",
    how="With a stopwatch.",
    checks=(
        Check(promise="at least 10/s", found="12/s", holds=True),
        Check(promise="at most 5 us", found="7 us", holds=False),
    ),
    tables=(Table(heads=["", "rate"], rows=[["relay", "12"]]),),
    raw={"rates": [11.0, 12.0, 13.0]},
)


def test_a_section_survives_being_stored(tmp_path: Path) -> None:
    results = tmp_path / "docs" / "results.json"
    store(results, "speed", SECTION, {"day": "2026-01-01"})

    found = Section.read(load(results)["speed"]["section"])

    assert found.checks == SECTION.checks
    assert found.raw == SECTION.raw
    assert [list(row) for row in found.tables[0].rows] == [["relay", "12"]]


def test_a_part_that_is_measured_again_leaves_the_others(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    store(results, "speed", SECTION, {"day": "2026-01-01"})
    store(results, "memory", SECTION, {"day": "2026-01-02"})
    store(results, "speed", SECTION, {"day": "2026-01-03"})

    assert {name: each["circumstances"]["day"] for name, each in load(results).items()} == {
        "speed": "2026-01-03",
        "memory": "2026-01-02",
    }


def test_the_page_shows_what_holds_and_what_does_not(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    store(results, "speed", SECTION, {"day": "2026-01-01", "machine": "small"})
    store(results, "memory", SECTION, {"day": "2026-01-02", "machine": "small"})

    page = render(load(results), ["speed", "memory", "never measured"])

    assert "| day | 2026-01-01; 2026-01-02 |" in page
    assert "| machine | small |" in page
    assert "| at least 10/s | 12/s | yes |" in page
    assert "| at most 5 us | 7 us | **no** |" in page
    assert "| relay | 12 |" in page
    assert page.count("## Speed") == 2
