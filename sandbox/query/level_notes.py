"""Remarks on the levels of ROLLUP, CUBE and GROUPING SETS: which numbers add up, and which need not."""

from __future__ import annotations

from sandbox.query.answer import Note
from sandbox.query.boundary import Weight
from sandbox.query.families import Family, Names, half_widths, variance
from sandbox.query.price import Priced, noise_of
from sandbox.query.ranks import RANKS_OF

NOISY = Note(
    "Every number carries noise: counts may fall below zero, parts need not add up to their total.",
    "每个数字都带有噪声:计数可能小于零,各部分之和不一定等于总数。",
)
_NOISY_LEVELS = Note(
    "Every number carries noise: counts may fall below zero.", "每个数字都带有噪声:计数可能小于零。"
)


def noisy_notes(priced: Priced) -> list[Note]:
    """That numbers are noisy, and what of them adds up."""
    analyzed = priced.rewritten.analyzed
    if not analyzed.levels:
        return [NOISY]
    agreeing = {
        (level, name)
        for family in analyzed.families
        for names in family.shared
        if agrees(priced, family, names)
        for level, name in names.items()
    }
    together: dict[str, None] = {}
    apart: dict[str, None] = {}
    for b in (b.boundary for b in priced.boundaries):
        if not any(b.name in levels for levels in analyzed.levels):
            continue
        for m in b.vectors:
            if m.weight in (Weight.SHOWN, Weight.DIVISOR):
                found = together if (b.name, m.name) in agreeing else apart
                found[m.label.removeprefix(RANKS_OF)] = None
    both = [label for label in together if label not in apart]
    notes = [_NOISY_LEVELS]
    if both:
        labels = ", ".join(both)
        notes.append(
            Note(
                f"Over the levels of GROUP BY, these add up, parts to totals: {labels}.",
                f"在 GROUP BY 的各级之间,以下数字各部分之和等于总数:{labels}。",
            )
        )
    if apart:
        labels = ", ".join(apart)
        notes.append(
            Note(
                f"Over the levels of GROUP BY, these need not add up, as each has its own noise: {labels}.",
                f"在 GROUP BY 的各级之间,以下数字各级噪声独立,各部分之和不一定等于总数:{labels}。",
            )
        )
    return notes


def agrees(priced: Priced, family: Family, names: Names) -> bool:
    """Whether one measure of a family is made to agree: rounding must make no level worse."""
    tables = {b.boundary.name: b for b in priced.boundaries}
    own = {level: noise_of(tables[level], measure) for level, measure in names.items()}
    return half_widths(family, {k: (variance(n.mechanism), n.half_width) for k, n in own.items()}) is not None
