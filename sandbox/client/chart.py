"""A chart of an answer: bars with their error bars, as SVG, with nothing installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.client import page

MOST_BARS = 60
LABELS, PLOT, VALUES, LINE, TOP = 150, 360, 120, 22, 30


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: what it is of.
        value: how long it is.
        width: 95 % half-width of its noise; None when it has none or none can be given.
        said: value and half-width in words.

    """

    label: str
    value: float
    width: float | None
    said: str


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """A chart, which a notebook draws. `.svg` is its text."""

    title: str
    bars: tuple[Bar, ...]

    @property
    def svg(self) -> str:
        """The picture."""
        ends = [0.0]
        for bar in self.bars:
            ends += [bar.value - (bar.width or 0.0), bar.value + (bar.width or 0.0)]
        low, high = min(ends), max(ends)
        span = high - low or 1.0
        size = f"{LABELS + PLOT + VALUES} {TOP + LINE * len(self.bars) + 6}"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{LABELS + PLOT + VALUES}" '
            'font-family="sans-serif" font-size="12" role="img">',
            f'<rect width="100%" height="100%" fill="#fff"/><text x="{LABELS}" y="18" font-weight="bold" '
            f'fill="#222">{page.escape(self.title)}</text>',
        ]
        zero = _at(0.0, low, span)
        for number, bar in enumerate(self.bars):
            parts += _drawn(bar, TOP + LINE * number, zero, low, span)
        bottom = TOP + LINE * len(self.bars)
        parts.append(f'<path d="M{zero:.1f} {TOP - 4}V{bottom}" stroke="#222"/></svg>')
        return "".join(parts)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return page.text_table(["", self.title], [[bar.label, bar.said] for bar in self.bars])


def chart(title: str, bars: Sequence[Bar]) -> Chart:
    """A chart of finite bars.

    Raises:
        ValueError: there is none, or there are too many to read.

    """
    finite = tuple(bar for bar in bars if math.isfinite(bar.value))
    if not finite:
        raise ValueError("There is nothing to draw: the answer has no row with a number.")
    if len(finite) > MOST_BARS:
        raise ValueError(f"More than {MOST_BARS} bars are not a chart: .to_pandas() and choose some rows.")
    return Chart(title, finite)


def _at(value: float, low: float, span: float) -> float:
    return LABELS + PLOT * (value - low) / span


def _drawn(bar: Bar, top: int, zero: float, low: float, span: float) -> list[str]:
    middle, end = top + LINE / 2, _at(bar.value, low, span)
    parts = [
        f'<text x="{LABELS - 8}" y="{middle + 4}" text-anchor="end" fill="#222">'
        f"{page.escape(bar.label, 22)}</text>",
        f'<rect x="{min(zero, end):.1f}" y="{top + 4}" width="{abs(end - zero):.1f}" height="{LINE - 8}" '
        'fill="#7aa6d8"/>',
        f'<text x="{LABELS + PLOT + 8}" y="{middle + 4}" fill="#222">{page.escape(bar.said, 24)}</text>',
    ]
    if bar.width is not None and math.isfinite(bar.width):
        left, right = (_at(bar.value + sign * bar.width, low, span) for sign in (-1, 1))
        parts.append(
            f'<path d="M{left:.1f} {middle}H{right:.1f}'
            f'M{left:.1f} {middle - 4}v8M{right:.1f} {middle - 4}v8" '
            'stroke="#222" stroke-width="1.5" fill="none"/>'
        )
    return parts
