"""Charts, drawn as SVG on the server: no script, no style, only shapes and a sentence that says the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 240, 44
_SPARK = Markup(
    '<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{label}">'
    '<path class="area" d="{area}"/><path class="line" d="{line}" vector-effect="non-scaling-stroke"/></svg>'
)
_BARS_WIDTH, _BARS_HEIGHT = 720, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What happened in one stretch of time.

    Attributes:
        label: Says when, and the numbers.
        good: How many went well.
        bad: How many did not.
    """

    label: str
    good: float
    bad: float


def sparkline(values: Sequence[float], label: str, room: int) -> Markup:
    """Return a small line over time, the newest value on the right.

    Args:
        values: From the oldest; zero is at the bottom.
        label: What it shows, in words.
        room: How many values there are once none is missing at the beginning.
    """
    points = _points(values, room)
    line = "M" + " L".join(f"{x:g} {y:g}" for x, y in points) if points else ""
    area = f"{line} L{WIDTH} {HEIGHT} L{points[0][0]:g} {HEIGHT} Z" if points else ""
    return _SPARK.format(width=WIDTH, height=HEIGHT, label=label, area=area, line=line)


def bars(stretches: Sequence[Bar], label: str) -> Markup:
    """Return one column for each stretch of time: what went well, and on top of it what did not.

    Args:
        stretches: From the oldest.
        label: What it shows, in words.
    """
    most = max((each.good + each.bad for each in stretches), default=0) or 1
    step = _BARS_WIDTH / max(len(stretches), 1)
    columns = Markup("").join(
        _column(each, number * step, step, most) for number, each in enumerate(stretches)
    )
    return Markup(
        '<svg class="bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<line class="base" x1="0" y1="{}" x2="{}" y2="{}" vector-effect="non-scaling-stroke"/>{}</svg>'
    ).format(_BARS_WIDTH, _BARS_HEIGHT, label, _BARS_HEIGHT, _BARS_WIDTH, _BARS_HEIGHT, columns)


def _points(values: Sequence[float], room: int) -> list[tuple[float, float]]:
    most = max([*values, 1e-9])
    step = WIDTH / max(room - 1, 1)
    return [
        (round(WIDTH - (len(values) - 1 - number) * step, 1), round(2 + (HEIGHT - 4) * (1 - value / most), 1))
        for number, value in enumerate(values)
    ]


def _column(bar: Bar, left: float, step: float, most: float) -> Markup:
    """Return the two parts of one column; what did not go well is never too small to be seen."""
    room = _BARS_HEIGHT - 2
    good = room * bar.good / most
    bad = max(room * bar.bad / most, 3) if bar.bad else 0
    width, x = max(step - 4, 1), left + 2
    return Markup("<g><title>{}</title>{}{}{}</g>").format(
        bar.label,
        _rectangle("reach", left, 0, step, _BARS_HEIGHT),
        _rectangle("good", x, _BARS_HEIGHT - good, width, good) if bar.good else "",
        _rectangle("bad", x, max(_BARS_HEIGHT - good - bad, 0), width, bad) if bar.bad else "",
    )


def _rectangle(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )
