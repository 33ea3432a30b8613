"""Scalar expressions with what is publicly known of their values.

A `Typed` pairs a *total* DuckDB expression (no row value can make it raise) with facts that follow
from the policy alone: kind, fixed-point scale, bounds, public keys. Interval arithmetic proves that
exact arithmetic cannot overflow; where it cannot be proved, the question is refused.

Numbers
- `integer` is BIGINT and stays within ±2**62. `decimal` is DECIMAL(width, scale), width <= 38.
- DuckDB types DECIMAL arithmetic by the operands' widths, but caps a product's width at 18 (and then
  checks for overflow at run time) when both factors fit 64 bits. Where the bounds prove that 18 digits
  hold the product, that is what is wanted; else the product is forced to 128 bits by a cast first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import lru_cache

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind, Scalar
from sandbox.query.places import spoken

INTEGER_LIMIT = Decimal(2**62)
LARGEST_BIGINT = Decimal(2**63 - 1)
MAX_WIDTH = 38
NATIVE_WIDTH = 18
INTEGER_WIDTH = 19
LARGEST_DOUBLE = Decimal("1e300")
MOST_REPEATED = 3_000  # nodes of an expression that a clamp may write three times
EXACT = Context(prec=700)
"""Intervals are computed in it: no sum or product of bounds of a question is ever rounded."""


@dataclass(frozen=True, slots=True)
class Typed:
    """One scalar expression.

    Attributes:
        sql: total DuckDB expression.
        kind: kind of value; None for a bare NULL.
        scale: decimals of an exact number.
        width: digits of the DECIMAL type that `sql` has (0 for other kinds).
        low, high: public bounds, inclusive, of a number; None when unknown.
        bounded: whether `sql` itself never leaves [low, high]; if not, clamp before arithmetic.
        near: whether a DOUBLE leaves [low, high] by rounding alone: fit for more arithmetic as it is.
        keys: public keys in order, NULL excluded; None when only the data knows them.
        nullable: whether NULL can occur.
        links: identities for joining: `unit:<name>`, or `dataset.table.column` of a foreign key's target.
        unit_level: whether it is the same for all rows of one unit.
        ordinal: whether it numbers the rows of each unit: a whole number from 1, in no two rows the same.
        pieces: most values that a text is put together from, counting copies.
        span: public bounds, inclusive, of a date or timestamp; values may lie outside. None when unknown.

    """

    sql: exp.Expr
    kind: Kind | None
    scale: int = 0
    width: int = 0
    low: Decimal | None = None
    high: Decimal | None = None
    bounded: bool = True
    near: bool = False
    keys: tuple[Scalar, ...] | None = None
    nullable: bool = True
    links: frozenset[str] = frozenset()
    unit_level: bool = False
    ordinal: bool = False
    pieces: int = 1
    span: tuple[date, date] | None = None

    @property
    def exact(self) -> bool:
        """Whether it is an exact number."""
        return self.kind in (Kind.INTEGER, Kind.DECIMAL)

    @property
    def number(self) -> bool:
        """Whether it is a number."""
        return self.exact or self.kind is Kind.DOUBLE

    def at(self, sql: exp.Expr) -> Typed:
        """The same facts for the same value, read from another place."""
        return replace(self, sql=sql)


def overflow() -> SandboxError:
    """The refusal of arithmetic that might not fit."""
    return SandboxError(
        ErrorCode.OVERFLOW_POSSIBLE,
        "The arithmetic could exceed 38 digits for some values within the public bounds.",
        "Use narrower bounds, fewer factors, or cast to DOUBLE first.",
    )


def whole_constant(node: exp.Expr | None, most: int) -> int | None:
    """A whole number written as such, if it is at most `most`; None for anything else."""
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    text = str(node.this)
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if plain and int(text) <= most else None


def digits(low: Decimal, high: Decimal, scale: int) -> int:
    """Least width of DECIMAL(width, scale) that holds every value of [low, high]."""
    units = int(
        (max(abs(low), abs(high)) * (Decimal(10) ** scale)).to_integral_value(rounding="ROUND_CEILING")
    )
    return max(len(str(units)), scale, 1)


def common_width(parts: list[Typed]) -> int:
    """Digits of the DECIMAL type in which exact numbers of different types are compared; 0 for one type."""
    types = {(t.kind, t.width, t.scale) for t in parts if t.kind is not None}
    if len(types) <= 1:
        return 0
    whole = [INTEGER_WIDTH if kind is Kind.INTEGER else width - scale for kind, width, scale in types]
    return max(whole) + max(scale for _, _, scale in types)


@lru_cache(maxsize=1024)
def _parsed(name: str) -> exp.DataType:
    return exp.DataType.build(name, dialect="duckdb")


def type_of(name: str) -> exp.DataType:
    """A type of DuckDB by its name. Parsing one takes longer than all else that a cast needs."""
    known = _parsed(name)
    sizes = [exp.DataTypeParam(this=exp.Literal.number(one.this.this)) for one in known.expressions]
    return exp.DataType(**(known.args | {"expressions": sizes}))


def decimal_type(width: int, scale: int) -> exp.DataType:
    """DECIMAL(width, scale)."""
    return type_of(f"DECIMAL({width}, {scale})")


def cast(tree: exp.Expr, to: exp.DataType | str) -> exp.Cast:
    """CAST(tree AS to); only where it provably cannot fail."""
    return exp.Cast(this=tree, to=type_of(to) if isinstance(to, str) else to)


def number_literal(value: Decimal) -> Typed:
    """A constant: exact when it fits 18 digits, else a DOUBLE."""
    if value == value.to_integral_value() and abs(value) < INTEGER_LIMIT:
        tree: exp.Expr = cast(_literal(Decimal(int(value))), "BIGINT")
        return Typed(tree, Kind.INTEGER, low=value, high=value, nullable=False, unit_level=True)
    scale = max(0, -int(value.as_tuple().exponent))
    width = digits(value, value, scale)
    if width > NATIVE_WIDTH:
        return Typed(
            cast(exp.Literal.string(str(value)), "DOUBLE"),
            Kind.DOUBLE, low=value, high=value, nullable=False, unit_level=True,
        )  # fmt: skip
    tree = cast(_literal(value), decimal_type(width, scale))
    return Typed(tree, Kind.DECIMAL, scale, width, value, value, nullable=False, unit_level=True)


def _literal(value: Decimal) -> exp.Expr:
    text = exp.Literal.number(f"{abs(value):f}")
    return exp.Paren(this=exp.Neg(this=text)) if value < 0 else text


def clamped(t: Typed) -> Typed:
    """`t` held within its public bounds, ready for arithmetic. NULL stays NULL; NaN becomes `high`.

    Raises:
        SandboxError: `bounds-missing` for an exact number without bounds; `overflow-possible` for whole
            numbers whose bounds leave no room for arithmetic; `sql-too-large`.

    """
    if t.low is None or t.high is None:
        if not t.exact:
            return t
        raise SandboxError(
            ErrorCode.BOUNDS_MISSING,
            f"{spoken(t.sql)} has no public bounds, so arithmetic on it has no proven range.",
            "Ask a steward for `between` on the column, or bound it yourself: LEAST(GREATEST(x, low), high).",
        )
    if t.kind is Kind.INTEGER and max(abs(t.low), abs(t.high)) >= INTEGER_LIMIT:
        raise overflow()
    if t.bounded:
        return t
    if sum(1 for _ in t.sql.walk()) > MOST_REPEATED:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            "The expression is nested too deeply to hold every part of it within its bounds.",
            "Compute its inner part in a subquery: SELECT … FROM (SELECT … AS x FROM …).",
        )
    low, high = _bound(t, t.low), _bound(t, t.high)
    tree: exp.Expr = exp.Case(
        ifs=[
            exp.If(this=exp.LT(this=t.sql.copy(), expression=low.copy()), true=low),
            exp.If(this=exp.GT(this=t.sql.copy(), expression=high.copy()), true=high),
        ],
        default=t.sql.copy(),
    )
    width = t.width
    if t.kind is Kind.DECIMAL:
        tight = digits(t.low, t.high, t.scale)
        width = max(t.width, tight)
        if width > NATIVE_WIDTH:  # else: a cast takes longer than the CASE
            width = min(t.width, tight)
            tree = cast(tree, decimal_type(width, t.scale))
    return replace(t, sql=tree, width=width, bounded=True, near=False)


def tightened(t: Typed) -> Typed:
    """An exact, bounded number; a DECIMAL in the least width that holds its bounds."""
    assert t.low is not None  # noqa: S101 -- callers clamp first
    assert t.high is not None  # noqa: S101
    width = digits(t.low, t.high, t.scale)
    if t.kind is not Kind.DECIMAL or width >= t.width:
        return t
    return replace(t, sql=cast(t.sql, decimal_type(width, t.scale)), width=width)


def _bound(t: Typed, value: Decimal) -> exp.Expr:
    if t.kind is Kind.INTEGER:
        return cast(_literal(value), "BIGINT")
    if t.kind is Kind.DECIMAL:
        return cast(_literal(value), decimal_type(max(t.width, digits(value, value, t.scale)), t.scale))
    return cast(_literal(value), "DOUBLE")


def held(value: exp.Expr, low: exp.Expr, high: exp.Expr) -> exp.Least:
    """LEAST(GREATEST(value, low), high), in DuckDB's meaning: a NULL value gives `low`."""
    at_least = exp.Greatest(this=value, expressions=[low], ignore_nulls=True)
    return exp.Least(this=at_least, expressions=[high], ignore_nulls=True)


def operand(tree: exp.Expr) -> exp.Expr:
    """A copy of `tree`, in brackets where it is an operator itself: DuckDB may bind operators otherwise."""
    operator = isinstance(tree, exp.Binary | exp.Not | exp.Neg | exp.Between | exp.In)
    splits = isinstance(tree, exp.Connector) or (operator and not isinstance(tree, exp.Func))
    return exp.Paren(this=tree.copy()) if splits else tree.copy()


def double_span(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal] | None:
    """Bounds of a DOUBLE, rounded outward to 17 digits; None when they are too large to be of use."""
    if max(abs(low), abs(high)) > LARGEST_DOUBLE:
        return None
    return Context(prec=17, rounding=ROUND_FLOOR).plus(low), Context(prec=17, rounding=ROUND_CEILING).plus(
        high
    )


def as_decimal(t: Typed) -> Typed:
    """An exact, bounded number as DECIMAL."""
    if t.kind is Kind.DECIMAL:
        return t
    assert t.low is not None  # noqa: S101 -- callers clamp first
    assert t.high is not None  # noqa: S101
    width = digits(t.low, t.high, 0)
    return replace(t, sql=cast(t.sql, decimal_type(width, 0)), kind=Kind.DECIMAL, width=width, scale=0)


def as_double(t: Typed) -> Typed:
    """A number as DOUBLE (never raises)."""
    if t.kind is Kind.DOUBLE:
        return t
    return replace(t, sql=cast(t.sql, "DOUBLE"), kind=Kind.DOUBLE, width=0, scale=0)


def as_timestamp(t: Typed) -> Typed:
    """A date or timestamp as TIMESTAMP; NULL where a date lies outside its range."""
    if t.kind is Kind.TIMESTAMP:
        return t
    tree = exp.TryCast(this=t.sql.copy(), to=type_of("TIMESTAMP"))
    span = None if t.span is None else (_midnight(t.span[0]), _midnight(t.span[1]))
    return replace(t, sql=tree, kind=Kind.TIMESTAMP, keys=None, nullable=True, links=frozenset(), span=span)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)
