"""The private boundary: the lowest aggregation that drops the unit, and what it measures.

Every measure is an exact integer per group. Its clamp per unit and group, [low, high], and the number
of groups that one unit may touch give its sensitivity when one unit is added or removed:
    L1 = groups * max(|low|, |high|)        L2**2 = groups * max(|low|, |high|)**2
(each touched group moves by at most the clamp; Dwork & Roth 2014, 3.3; Wilson et al. 2020, section 3), or
less where the number of a unit's rows in all groups together is bounded (docs/privacy-proofs.md, section 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, StrEnum

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.privacy.calibrate import Sensitivity
from sandbox.query.arithmetic import subtract
from sandbox.query.counting import Counting, Domain
from sandbox.query.grids import Point, Tree
from sandbox.query.typed import (
    NATIVE_WIDTH,
    Typed,
    as_double,
    cast,
    clamped,
    digits,
    number_literal,
    type_of,
)

MOST_ROWS = 2**40  # of one table; bounds the exact sums
MOST_PER_UNIT = 2**52
FINE = 2**40
LEAST_FOUND = 8  # a clamp within less is not worth finding


class Weight(Enum):
    """What part of the price a measure gets, by what it is for; the shares are proportional to these.

    A mean s / n of values centred on the middle of bounds of width w is off by about
    sqrt((w/2 / e_s)**2 + (d / e_n)**2) / n, d its distance from that middle and at most w/2. The least for
    e_s + e_n given has e_n / e_s = (2 d / w)**(2/3), which is 0.63 at d = w/4. A count that only
    decides whether a group is shown wants little: its threshold moves by less than the floor is worth.
    """

    SHOWN = Decimal("1")
    DIVISOR = Decimal("0.6")
    SELECTS = Decimal("0.5")
    FLOOR = Decimal("0.25")


class Measures(StrEnum):
    """Kinds of measure.

    A SUM clamps one unit's total. An AVERAGED_SUM belongs to a mean: the part of a unit with more rows
    than count is scaled down to those that do, as its count is, so that the mean is not bent. DISTINCT
    counts values over all units, of each no more than its bound. RANKS counts the rows of the cells of a
    tree (`grids.py`), from which quantiles are read; it is not a column but a vector for each group.
    """

    UNITS = "units"
    ROWS = "rows"
    VALUES = "values"
    SUM = "sum"
    AVERAGED_SUM = "averaged-sum"
    DISTINCT = "distinct"
    RANKS = "ranks"


ADDITIVE = (Measures.ROWS, Measures.VALUES, Measures.SUM, Measures.AVERAGED_SUM)  # over rows


@dataclass(frozen=True, slots=True)
class Measure:
    """One exact integer per group.

    Attributes:
        name: its column (`m0`, …).
        kind: what it measures.
        argument: name of the row-level column that it reads (`a0`, …); None for UNITS and ROWS.
        decimal: whether that column is a DECIMAL (else BIGINT).
        scale: integer units of the measure are 10**-scale; per-unit totals are rounded to them.
        rows: most rows of one unit that count in one group.
        low, high: clamp of one unit's part in one group, in integer units.
        label: how it reads to a person.
        weight: its part of the price, relative to the others'.
        decimals: decimals of that column, at least `scale`.
        middle: what is still to be taken from each of its values, with as many decimals.
        in_all: most that one unit moves all groups together, in integer units; None when only `groups` and
            `most` bound it.
        found: whether a clamp within [low, high] is found privately.

    """

    name: str
    kind: Measures
    argument: str | None
    decimal: bool
    scale: int
    rows: int
    low: int
    high: int
    label: str
    weight: Weight
    decimals: int = 0
    middle: Decimal = Decimal(0)
    in_all: int | None = None
    found: bool = False

    @property
    def most(self) -> int:
        """Most that one unit moves one group, in integer units."""
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True, slots=True)
class Key:
    """One group key: its column (`k0`, …), what is known of it, and how it reads."""

    name: str
    typed: Typed
    label: str


@dataclass(frozen=True, slots=True)
class Finer:
    """A finer level of one GROUP BY; `keys` and `measures`: those of the coarser, by its names for them."""

    boundary: Boundary
    keys: Mapping[str, str]
    measures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Boundary:
    """One private aggregation.

    Attributes:
        name: the noisy table that it becomes (`noisy_0`, …).
        rows: row-level tree with `__unit`, keys and arguments.
        domain: public values of each key (NULL last where it can occur); None when the data knows them.
        groups: most groups that one unit touches (enforced where `limit_groups`).
        once: at most one row per unit, so that no per-unit pass is needed.
        floor: least noisy number of units of a group that is shown.
        unit: name of the privacy unit.
        by_row: rows are bounded one by one and in number, and the sensitivities are what follows from that
            alone: no unit is looked at apart.
        trees: vectors of ranks, from which quantiles are read.
        finer: the level of the same GROUP BY whose numbers are added up here, where there is one.

    """

    name: str
    rows: exp.Select
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    domain: Domain | None
    groups: int
    limit_groups: bool
    once: bool
    floor: int
    unit: str
    by_row: bool = False
    trees: tuple[Tree, ...] = ()
    finer: Finer | None = None

    @property
    def vectors(self) -> tuple[Measure, ...]:
        """Everything that gets noise, and a part of the price."""
        return (*self.measures, *(t.measure for t in self.trees))

    def tree(self, measure: Measure) -> Tree:
        """The tree whose ranks `measure` is."""
        return next(t for t in self.trees if t.measure.name == measure.name)

    @property
    def points(self) -> tuple[Point, ...]:
        """The quantiles that are read from noisy ranks."""
        return tuple(p for t in self.trees for p in t.points)

    @property
    def units(self) -> Measure | None:
        """The count of units, where the question needs it."""
        return next((m for m in self.measures if m.kind is Measures.UNITS), None)

    @property
    def selects(self) -> bool:
        """Whether keys come from the data and pass a threshold (which costs delta)."""
        return bool(self.keys) and self.domain is None

    def sensitivity(self, measure: Measure) -> Sensitivity:
        """How far one unit moves the vector of `measure` over all groups.

        A row counts once on each level of a tree, and one node holds no more than all that the unit has.
        """
        if measure.kind is Measures.RANKS:
            levels, moved = self.tree(measure).shape.levels, self.groups * measure.most
            moved = moved if measure.in_all is None else min(moved, measure.in_all)
            return Sensitivity.bounded(levels * self.groups, measure.most, levels * moved)
        return Sensitivity.bounded(self.groups, measure.most, measure.in_all)


@dataclass(slots=True)
class Measuring:
    """Collects the measures of one boundary while its SELECT is read; equal ones are shared.

    `totals`: how rows count in what adds up; `counting`: in units, distinct values and ranks.
    """

    once: bool
    found: bool
    counting: Counting
    totals: Counting
    public_groups: int | None = 1
    measures: list[Measure] = field(default_factory=list)
    arguments: list[exp.Expr] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)

    def units(self, weight: Weight = Weight.SHOWN) -> Measure:
        """Number of units in each group."""
        return self._measure(Measures.UNITS, None, False, 0, 0, 1, "units", weight)

    def count_rows(self, weight: Weight = Weight.SHOWN) -> Measure:
        """COUNT(*)."""
        if self.once:
            return self.units(weight)
        return self._measure(Measures.ROWS, None, False, 0, 0, self.totals.per_group, "count(*)", weight)

    def count_values(self, t: Typed, text: str, weight: Weight = Weight.SHOWN) -> Measure:
        """COUNT(x): rows where x is not NULL."""
        if not t.nullable:
            return self.count_rows(weight)
        argument, most = self.argument(t.sql), self.totals.per_group
        return self._measure(Measures.VALUES, argument, False, 0, 0, most, f"count({text})", weight)

    def count_distinct(self, t: Typed, text: str) -> Measure:
        """COUNT(DISTINCT x): of each unit as many values count as it may have rows, or as there are."""
        most = 1 if t.unit_level else self.counting.per_group
        if t.keys is not None:
            most = max(1, min(most, len(t.keys)))
        argument = self.argument(t.sql)
        label = f"count(distinct {text})"
        return self._measure(Measures.DISTINCT, argument, False, 0, 0, most, label, Weight.SHOWN)

    def total(
        self, t: Typed, text: str, *, centred: bool, averaged: bool
    ) -> tuple[Measure, Decimal, Decimal, Decimal]:
        """SUM(x), or the sum of x minus its midpoint: the measure, the midpoint and x's bounds.

        Raises:
            SandboxError: `sql-type`, `bounds-missing`, `overflow-possible`.

        """
        if not t.number:
            raise SandboxError(ErrorCode.SQL_TYPE, "SUM and AVG need a number.", "Cast it, or count it.")
        if t.low is None or t.high is None:
            raise SandboxError(
                ErrorCode.BOUNDS_MISSING,
                f"{text} has no public bounds, so no noise can be set for it.",
                "Bound it: SUM(LEAST(GREATEST(x, low), high)); or ask a steward for `between`.",
            )
        moved, middle = centre(t) if centred else (t, Decimal(0))
        bounded = clamped(moved)
        assert bounded.low is not None  # noqa: S101 -- clamped
        assert bounded.high is not None  # noqa: S101
        # A unit may have no row in the group (0), or up to `rows` rows, each within the bounds.
        rows, by_row = self.totals.per_group, self.totals.by_row
        least, most = min(Decimal(0), bounded.low * rows), max(Decimal(0), bounded.high * rows)
        decimal = bounded.kind is Kind.DECIMAL
        scale = fixed_point(bounded, max(-least, most))
        low, high = _outward(least, most, scale)
        lowest, highest = _outward(bounded.low, bounded.high, scale)  # one row's part, rounded as it is
        if by_row:
            low, high = min(0, lowest) * rows, max(0, highest) * rows
        if max(-low, high) >= MOST_PER_UNIT or not _summable(bounded):
            raise SandboxError(
                ErrorCode.OVERFLOW_POSSIBLE,
                f"Sums of {text} could exceed what exact arithmetic holds, within the public bounds.",
                "Use narrower bounds or fewer decimals.",
            )
        tree = bounded.sql if bounded.kind is not Kind.DOUBLE else to_units(bounded, scale)
        kind = Measures.AVERAGED_SUM if averaged else Measures.SUM
        label = f"sum({text} - {middle:f})" if centred else f"sum({text})"
        later = Decimal(0)
        rounded = by_row and decimal and scale < bounded.scale
        if centred and not self.once and not rounded and _separable(t, middle):
            tree, later = clamped(t).sql, middle
        decimals = bounded.scale if decimal else scale
        row = max(-lowest, highest)
        measure = self._measure(
            kind, self.argument(tree), decimal, scale, low, high, label, Weight.SHOWN, decimals, later, row
        )
        return measure, middle, t.low, t.high

    def argument(self, tree: exp.Expr) -> str:
        """The name of the row-level column that holds `tree`."""
        for i, known in enumerate(self.arguments):
            if known == tree:
                return f"a{i}"
        self.arguments.append(tree.copy())
        return f"a{len(self.arguments) - 1}"

    def _measure(
        self,
        kind: Measures,
        argument: str | None,
        decimal: bool,
        scale: int,
        low: int,
        high: int,
        label: str,
        weight: Weight,
        decimals: int = 0,
        middle: Decimal = Decimal(0),
        row: int = 1,
    ) -> Measure:
        """The measure; `row`: most that one row moves it, in integer units."""
        for i, known in enumerate(self.measures):
            if known.kind is kind and known.argument == argument and known.middle == middle:
                if weight.value > known.weight.value:
                    self.measures[i] = replace(known, weight=weight)
                return self.measures[i]
        name, adds_up = f"m{len(self.measures)}", kind in ADDITIVE
        counting = self.totals if adds_up else self.counting
        measure = Measure(
            name,
            kind,
            argument,
            decimal,
            scale,
            counting.per_group,
            low,
            high,
            label,
            weight,
            decimals,
            middle,
            None if counting.sure is None else counting.sure * row,
            self.found and adds_up and max(-low, high) >= LEAST_FOUND,
        )
        self.measures.append(measure)
        return measure


def centre(t: Typed) -> tuple[Typed, Decimal]:
    """`t` minus the middle of its bounds, and that middle; clamp it before it is summed."""
    assert t.low is not None  # noqa: S101 -- callers refuse unbounded values
    assert t.high is not None  # noqa: S101
    middle = ((t.low + t.high) / 2).quantize(Decimal(10) ** -t.scale, rounding="ROUND_FLOOR")
    return subtract(t, number_literal(middle)), middle


def fixed_point(t: Typed, most: Decimal) -> int:
    """Decimals of the measure: as many as the value has, while one unit's part stays below 2**40 units.

    Finer units would cost nothing but room: they lie far below the noise, which grows with the part.
    """
    scale = t.scale if t.exact else 6
    while scale > 0 and most * Decimal(10) ** scale >= FINE:
        scale -= 1
    return scale


def _outward(low: Decimal, high: Decimal, scale: int) -> tuple[int, int]:
    """Bounds in whole units of 10**-scale, rounded outward."""
    step = Decimal(10) ** scale
    floor, ceiling = (
        (low * step).to_integral_value("ROUND_FLOOR"),
        (high * step).to_integral_value("ROUND_CEILING"),
    )
    return int(floor), int(ceiling)


def _separable(t: Typed, middle: Decimal) -> bool:
    """Whether a sum of x - c is made of the sum of x and its count, which SUM and COUNT share.

    It is the same number, exactly, as long as 128 bits hold the parts.
    """
    return t.exact and _summable(t) and digits(middle, middle, t.scale) <= NATIVE_WIDTH


def _summable(t: Typed) -> bool:
    """Whether 128 bits hold the sum of any table's values of `t`, which has bounds."""
    assert t.low is not None  # noqa: S101 -- callers refuse unbounded values
    assert t.high is not None  # noqa: S101
    return max(abs(t.low), abs(t.high)) * Decimal(10) ** t.scale * MOST_ROWS < Decimal(10) ** 37


def to_units(t: Typed, scale: int) -> exp.Expr:
    """A bounded DOUBLE as BIGINT units of 10**-scale; NULL stays NULL."""
    factor = cast(exp.Literal.string(str(10**scale)), "DOUBLE")
    product = exp.Mul(this=exp.Paren(this=as_double(t).sql.copy()), expression=factor)
    return exp.TryCast(this=exp.Round(this=product), to=type_of("BIGINT"))
