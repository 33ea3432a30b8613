"""The cells that a value falls into between its public bounds, and the quantiles that are read from them.

Bounded whole numbers and decimals, days and times lie on a grid of steps: one, 10**-scale, one day, one
microsecond. A cell is a whole number of steps; where there are few, each value is a cell of its own and
quantiles are exact in value. A DOUBLE has no steps. Values outside the bounds count as the nearest bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.privacy.mechanisms import Mechanism
from sandbox.privacy.trees import Shape, rank_error, shape_for
from sandbox.query.typed import MAX_WIDTH, Typed, as_double, cast, clamped, type_of

if TYPE_CHECKING:
    from sandbox.query.boundary import Measure

MOST_LEAVES = 16_384
FEWEST_LEAVES = 64
UNKNOWN_LEAVES = 256  # of groups that the data names: how many there will be is not known
MOST_NODES = 300_000  # of all groups together: each draws noise of its own
FINE_ROWS = 6  # decimals of a row's weight: the rows of a unit with too many weigh less
EXTREME = 2  # MIN and MAX stay so many rank errors away from the end
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = Decimal(1_000_000)


class Reading(StrEnum):
    """What is read from a distribution: between two rows, at a row, near the least, near the greatest."""

    CONT = "cont"
    DISC = "disc"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of one kind of value.

    Attributes:
        kind: of the values; days count from 1970-01-01, times are microseconds from then.
        low, high: bounds, inclusive.
        step: distance of two neighbouring values; 0 where values lie anywhere.
        cell: width of a cell.
        leaves: number of cells.

    """

    kind: Kind
    low: Decimal
    high: Decimal
    step: Decimal
    cell: Decimal
    leaves: int

    @property
    def exact(self) -> bool:
        """Whether each cell is one value."""
        return self.cell == self.step


@dataclass(frozen=True, slots=True)
class Point:
    """One quantile: its column `name` in the noisy table, what is read, and the kind of the result."""

    name: str
    reading: Reading
    fraction: Decimal
    typed: Typed

    @property
    def end(self) -> float:
        """The fraction whose error bounds that of the rank: MIN and MAX are told from the ends."""
        return {Reading.MIN: 0.0, Reading.MAX: 1.0}.get(self.reading, float(self.fraction))


@dataclass(frozen=True, slots=True)
class Tree:
    """All quantiles of one value in one boundary: one vector of noisy counts, whatever is read from it."""

    measure: Measure
    grid: Grid
    shape: Shape
    points: tuple[Point, ...]

    def rank_error(self, mechanism: Mechanism) -> float:
        """95 % half-width of the ranks of its quantiles, in whole steps of the counts."""
        return max(rank_error(self.shape, mechanism, p.end) for p in self.points)


def leaves_for(groups: int | None, wanted: int) -> int | None:
    """Number of cells, at most `wanted`, that these groups leave room for; None when there is none.

    `groups`: None where only the data knows.
    """
    if groups is None:
        return min(wanted, UNKNOWN_LEAVES)
    most = MOST_LEAVES
    while most >= FEWEST_LEAVES:
        leaves = min(most, wanted)
        if groups * shape_for(leaves).nodes <= MOST_NODES:
            return leaves
        most //= 4
    return None


def grid_of(t: Typed, text: str, groups: int | None) -> Grid:
    """The cells of `t`.

    Raises:
        SandboxError: `sql-type`, `bounds-missing`, `sql-too-large`.

    """
    kind = t.kind
    if kind not in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.DATE, Kind.TIMESTAMP):
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            "A quantile, MIN or MAX is of a number, date or timestamp.",
            "Cast it, or count its values: GROUP BY x.",
        )
    low, high = _ends(t)
    if low is None or high is None:
        raise SandboxError(
            ErrorCode.BOUNDS_MISSING,
            f"{text} has no public bounds, so its values have no public cells.",
            "Bound it: MEDIAN(LEAST(GREATEST(x, low), high)); or ask a steward for `between`.",
        )
    step = _step(t)
    if step:
        low, high = low.quantize(step, "ROUND_CEILING"), high.quantize(step, "ROUND_FLOOR")
        high = max(low, high)
    values = int((high - low) / step) + 1 if step else MOST_LEAVES if high > low else 1
    leaves = leaves_for(groups, max(1, values))
    if leaves is None:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            f"Quantiles of {text} in {groups:,} public groups need more noisy counts than are drawn at once.",
            "Group by fewer columns, or filter to some of the groups and ask again.",
        )
    if not step:
        cell = Decimal(repr(float(high - low) / leaves)) if high > low else Decimal(1)
        return Grid(kind, low, high, step, cell, leaves)
    steps = -(-values // leaves)
    if kind is Kind.TIMESTAMP and steps > _SECOND:
        steps = int((steps / _SECOND).to_integral_value(ROUND_CEILING) * _SECOND)
    return Grid(kind, low, high, step, steps * step, -(-values // steps))


def leaf_of(t: Typed, grid: Grid) -> exp.Expr:
    """The number of the cell that a value of `t` falls into, from 0, as a BIGINT; NULL stays NULL.

    The last cell may be passed by rounding; who counts holds it.
    """
    if grid.kind in (Kind.DATE, Kind.TIMESTAMP):
        return _leaf_of_time(t, grid)
    value = as_double(clamped(t)).sql
    moved: exp.Expr = exp.Paren(this=exp.Sub(this=exp.Paren(this=value), expression=_double(grid.low)))
    if grid.step:
        whole = exp.Round(this=exp.Mul(this=moved, expression=_double(1 / grid.step)))
        moved, cell = whole, grid.cell / grid.step
    else:
        cell = grid.cell
    leaf = exp.Floor(this=exp.Div(this=moved, expression=_double(cell)))
    return exp.TryCast(this=leaf, to=type_of("BIGINT"))


def _leaf_of_time(t: Typed, grid: Grid) -> exp.Expr:
    assert t.span is not None  # noqa: S101 -- `grid_of` refuses times without bounds
    low, high = (cast(exp.Literal.string(end.isoformat()), t.kind.value) for end in t.span)  # type: ignore[union-attr]
    held = exp.Case(
        ifs=[
            exp.If(this=exp.LT(this=t.sql.copy(), expression=low.copy()), true=low.copy()),
            exp.If(this=exp.GT(this=t.sql.copy(), expression=high.copy()), true=high.copy()),
        ],
        default=t.sql.copy(),
    )
    if grid.kind is Kind.DATE:
        moved: exp.Expr = exp.Anonymous(this="date_diff", expressions=[exp.Literal.string("day"), low, held])
    else:
        micros = [exp.Anonymous(this="epoch_us", expressions=[e]) for e in (held, low)]
        moved = exp.Paren(this=exp.Sub(this=micros[0], expression=micros[1]))
    return exp.IntDiv(this=moved, expression=exp.Literal.number(int(grid.cell)))


def result_of(t: Typed, reading: Reading) -> Typed:
    """What a quantile of `t` is, as DuckDB types it: between two rows a DOUBLE, DECIMAL or TIMESTAMP."""
    kind = t.kind
    if reading is Reading.CONT:
        kind = {Kind.INTEGER: Kind.DOUBLE, Kind.DATE: Kind.TIMESTAMP}.get(kind or Kind.DOUBLE, kind)
    width = MAX_WIDTH if kind is Kind.DECIMAL else 0
    return replace(t, kind=kind, sql=exp.Null(), width=width, keys=None, links=frozenset(), span=None)


def number_of(moment: date) -> Decimal:
    """A day as days, a time as microseconds since 1970."""
    if isinstance(moment, datetime):
        return Decimal((moment - _EPOCH) // _MICROSECOND)
    return Decimal((moment - _EPOCH.date()).days)


def _ends(t: Typed) -> tuple[Decimal | None, Decimal | None]:
    if t.kind in (Kind.DATE, Kind.TIMESTAMP):
        return (None, None) if t.span is None else (number_of(t.span[0]), number_of(t.span[1]))
    return t.low, t.high


def _step(t: Typed) -> Decimal:
    if t.kind is Kind.DOUBLE:
        return Decimal(0)
    return Decimal(1).scaleb(-t.scale) if t.kind is Kind.DECIMAL else Decimal(1)


def _double(value: Decimal) -> exp.Expr:
    return cast(exp.Literal.string(f"{value:f}"), "DOUBLE")
