"""Pages hold what can be leased, and grow slowly while nothing can."""

import pytest

from relay.pipeline.pages import LEAST_SPILLED, MOST_A_PAGE, Pages
from relay.pipeline.plan import MOST_DELIVERIES

FEW = 20


def pages(*, width: float) -> Pages:
    made = Pages()
    for _ in range(50):
        made.saw(events=100, deliveries=int(100 * width))
    return made


@pytest.mark.parametrize(
    ("width", "free", "size"),
    [(1, 20, 20), (1, 120, 120), (1, 10_000, MOST_A_PAGE), (10, 120, 12), (100, 20, 1), (0, 120, 120)],
)
def test_a_page_has_no_more_than_can_be_leased(width: float, free: int, size: int) -> None:
    assert pages(width=width).size(free, few=FEW) == pytest.approx(size, abs=1)


def test_the_first_page_is_small_for_what_is_not_known() -> None:
    assert Pages().size(1000, few=FEW) == 100


@pytest.mark.parametrize("free", [0, 1, FEW - 1])
def test_in_want_of_slots_pages_grow_from_little_to_much_and_begin_anew_afterwards(free: int) -> None:
    narrow = pages(width=1)
    sizes = [narrow.size(free, few=FEW) for _ in range(12)]

    assert sizes[:3] == pytest.approx([LEAST_SPILLED, 2 * LEAST_SPILLED, 4 * LEAST_SPILLED], abs=1)
    assert sizes[-1] == MOST_A_PAGE
    narrow.size(FEW, few=FEW)
    assert narrow.size(free, few=FEW) == pytest.approx(LEAST_SPILLED, abs=1)


def test_a_page_of_wide_events_is_never_empty() -> None:
    assert pages(width=MOST_DELIVERIES * 3).size(0, few=FEW) == 1
