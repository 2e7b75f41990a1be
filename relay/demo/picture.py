"""The live picture: what is inserted, rolled back, under way, delivered and retried, and the latest deliveries."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from relay.demo.business import SUBSCRIPTIONS
from relay.demo.tally import Sight, Tally

RATE_WINDOW = 3.0
CHROME = 17
"""Lines that are not the latest deliveries."""
WIDE = 104
SHORT_ID = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A place where a person can look: its name, the command to type, and what to know about it."""

    name: str
    command: str
    note: str = ""


class Speed:
    """How fast a count has grown lately."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._samples: deque[tuple[float, int]] = deque()

    def per_second(self, now: float) -> float:
        """Take a sample at `now` (seconds), and return the growth a second over the last few."""
        self._samples.append((now, self._count()))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()
        (then, before), (_, after) = self._samples[0], self._samples[-1]
        return (after - before) / (now - then) if now > then else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the picture is drawn from.

    Attributes:
        tally: The counts.
        hints: Where to look.
        goal: How many events are to be committed; None: no end.
        seconds: Since the start.
        speed: Deliveries a second.
        state: What is being done at the moment.
    """

    tally: Tally
    hints: tuple[Hint, ...]
    goal: int | None
    seconds: float
    speed: float
    state: str


def plain_line(view: View) -> str:
    """Return the counts as one line, for where there is no terminal."""
    tally = view.tally
    return (
        f"{view.seconds:6.1f} s  committed {len(tally.committed)}  rolled back {len(tally.rolled_back)}"
        f"  under way {tally.under_way}  delivered {tally.arrived.total()}  retrying {tally.retrying}"
        f"  answered 500 {tally.refused.total()}"
    )


def draw(view: View, *, width: int, height: int) -> RenderableType:
    """Return the picture for a terminal of that many columns and lines."""
    hints = _hints(view.hints)
    folded = sum(max(0, len(line.plain) - 1) // width for line in hints)
    room = max(1, height - CHROME - folded)
    return Group(
        _title(view, width),
        Text(),
        _numbers(view),
        Text(),
        _endpoints(view.tally),
        Text(),
        _latest(list(view.tally.recent)[:room], room, width),
        Text(),
        *hints,
    )


def _title(view: View, width: int) -> Table:
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    minutes, seconds = divmod(int(view.seconds), 60)
    left = Text.assemble(("Relay demo", "bold"), f"  {minutes}:{seconds:02}  ", (view.state, "dim"))
    if view.goal is None:
        line.add_row(left, Text("" if view.state else "Ctrl-C ends it with a proof", style="dim"))
    else:
        line.add_row(
            left, ProgressBar(total=view.goal, completed=len(view.tally.committed), width=width // 3)
        )
    return line


def _numbers(view: View) -> Table:
    tally = view.tally
    goal = "events" if view.goal is None else f"of {view.goal:,} events"
    numbers = (
        ("committed", len(tally.committed), goal, "bold"),
        ("rolled back", len(tally.rolled_back), "events", ""),
        ("under way", tally.under_way, "deliveries", "cyan"),
        ("delivered", tally.arrived.total(), f"{view.speed:,.0f} a second", "bold green"),
        ("retrying", tally.retrying, f"of {tally.refused.total():,} refused", "yellow"),
    )
    table = Table.grid(expand=True)
    for _ in numbers:
        table.add_column(ratio=1)
    table.add_row(*(Text(name, style="dim") for name, *_ in numbers))
    table.add_row(*(Text(f"{count:,}", style=style) for _, count, _, style in numbers))
    table.add_row(*(Text(unit, style="dim") for _, _, unit, _ in numbers))
    return table


def _endpoints(tally: Tally) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("endpoint")
    table.add_column("subscribes to")
    for heading in ("expected", "delivered", "under way", "refused"):
        table.add_column(heading, justify="right")
    for name, patterns in SUBSCRIPTIONS.items():
        expected, arrived = tally.expected[name], tally.arrived[name]
        table.add_row(
            name,
            Text(", ".join(patterns)),
            f"{expected:,}",
            Text(f"{arrived:,}", style="green"),
            Text(f"{expected - arrived:,}", style="cyan" if expected > arrived else "dim"),
            Text(f"{tally.refused[name]:,}", style="yellow"),
        )
    return table


def _latest(sights: list[Sight], room: int, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True, collapse_padding=True)
    for heading in ("latest", "event type", "endpoint", "event", "attempt", "answer"):
        table.add_column(heading, no_wrap=True)
    table.add_column("after commit", no_wrap=True, justify="right")
    for sight in sights:
        table.add_row(*_cells(sight, is_wide=width >= WIDE))
    for _ in range(room - len(sights)):
        table.add_row("")
    return table


def _cells(sight: Sight, *, is_wide: bool) -> tuple[RenderableType, ...]:
    receipt = sight.receipt
    time_of_day = datetime.fromtimestamp(sight.at).astimezone()
    answer = "green" if receipt.is_accepted else "bold red" if receipt.fault else "yellow"
    return (
        Text(f"{time_of_day:%H:%M:%S}", style="dim"),
        Text(receipt.event_type),
        Text(receipt.endpoint),
        Text(receipt.event_id if is_wide else receipt.event_id[:SHORT_ID], style="dim"),
        Text(f"{receipt.attempt}", style="yellow" if receipt.attempt > 1 else ""),
        Text(f"{receipt.status} {receipt.fault[:30] or 'verified'}", style=answer),
        Text("" if sight.after is None else f"{sight.after * 1000:,.0f} ms", style="dim"),
    )


def _hints(hints: tuple[Hint, ...]) -> list[Text]:
    longest = max(len(hint.name) for hint in hints)
    return [
        Text.assemble(
            (f"{hint.name:<{longest}}  ", "bold"),
            hint.command,
            (f"  {hint.note}" if hint.note else "", "dim"),
        )
        for hint in hints
    ]
