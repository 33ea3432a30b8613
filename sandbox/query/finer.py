"""Levels of one GROUP BY whose numbers add up: which they are, and coarser ones as sums of the finest.

Numbers add up where every level counts the same of every unit. A unit of one row is clamped alike on all of
them. Of one with many rows, the finest level keeps what its contribution bounds allow, and every coarser one
adds up what is kept there: so bounds are enforced once, by the groups that the question names, and a total
moves by no more than its parts do together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from sandbox.query.boundary import ADDITIVE, Boundary, Finer, Key, Measure, Measures
from sandbox.query.counting import key_domain
from sandbox.query.families import MOST_AXES, Axes, Family


@dataclass(frozen=True, slots=True)
class Kin:
    """Levels with public keys, by place, and the one of them that has all of these keys."""

    places: tuple[int, ...]
    finest: int


def kin_of(known: Sequence[Key], axes: Sequence[Axes]) -> Kin | None:
    """The levels of `known` keys that may agree; None where no two of them can."""
    public = tuple(i for i, own in enumerate(axes) if key_domain([known[axis] for axis in own]) is not None)
    everything = {axis for i in public for axis in axes[i]}
    finest = next((i for i in public if set(axes[i]) == everything), None)
    if finest is None or len(public) < 2 or len(everything) > MOST_AXES:
        return None
    return Kin(public, finest)


def family_of(boundaries: Sequence[Boundary], axes: Sequence[Axes], kin: Kin) -> Family | None:
    """The family of these levels; None where nothing that they measure adds up."""
    finest = boundaries[kin.finest]
    assert finest.domain is not None  # noqa: S101 -- so `kin_of` has chosen
    place = {axis: i for i, axis in enumerate(sorted(axes[kin.finest]))}
    sizes = {place[axis]: len(v) for axis, v in zip(axes[kin.finest], finest.domain, strict=True)}
    shared = []
    for measure in finest.measures:
        if not _adds_up(measure, finest):
            continue
        found = {boundaries[i].name: _same(measure, finest, boundaries[i]) for i in kin.places}
        names = {level: name for level, name in found.items() if name is not None}
        if len(names) > 1:
            shared.append(names)
    if not shared:
        return None
    levels = {boundaries[i].name: tuple(place[axis] for axis in axes[i]) for i in kin.places}
    return Family(levels, tuple(size for _, size in sorted(sizes.items())), finest.name, tuple(shared))


def added_up(level: Boundary, finest: Boundary, family: Family) -> Boundary:
    """`level` with the measures of `family` as sums of those of `finest`.

    Together they move by no more than those do (docs/privacy-proofs.md, section 1, "Levels").
    """
    own, all_keys = family.levels[level.name], family.levels[finest.name]
    cells = math.prod(family.sizes[axis] for axis in all_keys if axis not in own)
    cells = min(cells, finest.groups)
    names = {names[level.name]: names[finest.name] for names in family.shared if level.name in names}
    parts = {m.name: m for m in finest.measures}
    measures = []
    for m in level.measures:
        if m.name not in names:
            # The same SELECT measures the same on every level, and what rows add up to is in `names`.
            assert m.kind not in ADDITIVE, m  # noqa: S101 -- else its sensitivity is not the level's own
            measures.append(m)
            continue
        most = finest.sensitivity(parts[names[m.name]]).l1
        low, high = max(m.low * cells, -most), min(m.high * cells, most)
        measures.append(replace(m, low=low, high=high, in_all=most))
    keys = {
        key.name: finest.keys[all_keys.index(axis)].name for key, axis in zip(level.keys, own, strict=True)
    }
    summed = tuple(m for m in finest.measures if m.name in names.values())
    finer = Finer(replace(finest, measures=summed, trees=()), keys, names)
    return replace(level, measures=tuple(measures), finer=finer)


def _adds_up(measure: Measure, finest: Boundary) -> bool:
    alike = measure.kind in ADDITIVE or (measure.kind is Measures.UNITS and finest.once)
    return alike and not measure.found


def _same(measure: Measure, finest: Boundary, level: Boundary) -> str | None:
    """The name of the measure of `level` that is the same as one of `finest`."""

    def facts(m: Measure, of: Boundary) -> tuple[object, ...]:
        return m.kind, _argument(m, of), m.decimal, m.scale, m.decimals, m.low, m.high, m.middle, m.found

    wanted = facts(measure, finest)
    return next((m.name for m in level.measures if facts(m, level) == wanted), None)


def _argument(measure: Measure, of: Boundary) -> exp.Expr | None:
    return next((p.unalias() for p in of.rows.selects if p.alias_or_name == measure.argument), None)
