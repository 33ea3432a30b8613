"""Text and HTML for a terminal and a notebook.

Values, column names and notes come from data and from other people: everything is escaped, in one place,
and control characters are shown, not sent to the terminal.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from decimal import Decimal
from unicodedata import category, east_asian_width

MOST_TEXT = 80
MOST_LINE = 400
# Notebooks typeset what stands between dollar signs, unless told not to.
_PLAIN = 'class="tex2jax_ignore mathjax_ignore"'


def clean(text: str, most: int = MOST_TEXT) -> str:
    """`text` in at most `most` characters, with control and direction characters made visible."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(
        f"\\u{ord(one):04x}" if category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") else one for one in short
    )


def amount(value: Decimal) -> str:
    """A privacy loss without trailing zeros; very small ones in powers of ten."""
    if value != 0 and abs(value) < Decimal("0.0001"):
        return f"{value.normalize():e}"
    return f"{value.normalize():f}"


def number(value: object, width: float | None) -> str:
    """A value as shown: rounded to the second significant digit of its half-width, as far as that says."""
    if value is None:
        return "NULL"
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return clean(str(value))
    if not math.isfinite(value):
        return str(value)
    if width is None or not math.isfinite(width) or width <= 0:
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{value:,.{0 if isinstance(value, int) else _places(width)}f}"


def half_width(width: float | None, value: object = None) -> str:
    """`± width` in two significant digits, or whole beside a whole number; `±?` when none can be given."""
    if width is None or not math.isfinite(width):
        return "±?"
    if width <= 0 or (width == math.floor(width) and not isinstance(value, (float, Decimal))):
        return f"±{width:,.0f}"
    return f"±{width:,.{_places(width)}f}"


def _places(width: float) -> int:
    return min(12, max(0, 1 - math.floor(math.log10(width))))


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], most: int = MOST_TEXT) -> str:
    """Columns of text under their heads, aligned also when East Asian wide characters are among them."""
    cells = [[clean(head) for head in heads], *[[clean(cell, most) for cell in row] for row in rows]]
    widths = [max(_wide(row[at]) for row in cells) for at in range(len(heads))]
    lines = [
        "  ".join(cell + " " * (widths[at] - _wide(cell)) for at, cell in enumerate(row)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def _wide(text: str) -> int:
    return sum(
        2 if east_asian_width(one) in "WF" else 0 if category(one) in ("Mn", "Me") else 1 for one in text
    )


def html_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    bars: Sequence[Sequence[str]] = (),
    most: int = MOST_TEXT,
) -> str:
    """A table. `bars`, of the same shape as `rows`, is markup of our own to stand beside a value, or ""."""
    head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in heads)
    body = []
    for at, row in enumerate(rows):
        beside = bars[at] if bars else [""] * len(row)
        cells = "".join(
            f'<td style="text-align:left;white-space:nowrap">{escape(cell, most)}{bar}</td>'
            for cell, bar in zip(row, beside, strict=True)
        )
        body.append(f"<tr>{cells}</tr>")
    return f"<table {_PLAIN}><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def text_lines(lines: Sequence[str]) -> str:
    """Small print."""
    return "\n".join(clean(line, MOST_LINE) for line in lines)


def html_lines(lines: Sequence[str]) -> str:
    """Small print."""
    said = "<br>".join(escape(line, MOST_LINE) for line in lines)
    return f'<div {_PLAIN} style="font-size:smaller;opacity:0.8;margin:0.3em 0 0.8em">{said}</div>'


def escape(text: str, most: int = MOST_TEXT) -> str:
    """`text` as HTML text or attribute value."""
    return html.escape(clean(text, most))


def error_bar(value: float, width: float, low: float, high: float) -> str:
    """The interval `value ± width` as a bar on the line from `low` to `high`, 96 pixels wide."""
    span = high - low
    if not (math.isfinite(span) and span > 0 and math.isfinite(value) and math.isfinite(width)):
        return ""
    left, middle, right = (
        96 * min(1.0, max(0.0, (at - low) / span)) for at in (value - width, value, value + width)
    )
    return (
        '<svg width="100" height="10" viewBox="-2 0 100 10" style="margin-left:0.6em;vertical-align:middle" '
        'role="img" aria-label="error bar">'
        '<path d="M0 5H96" stroke="currentColor" opacity="0.15"/>'
        f'<path d="M{left:.1f} 5H{right:.1f}M{left:.1f} 1V9M{right:.1f} 1V9" '
        'stroke="currentColor" opacity="0.6"/>'
        f'<circle cx="{middle:.1f}" cy="5" r="1.5" fill="currentColor"/></svg>'
    )
