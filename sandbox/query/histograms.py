"""HISTOGRAM and MODE: counts by value, put into one cell of each group.

    SELECT g, HISTOGRAM(x) … GROUP BY g     counts what     SELECT g, x, COUNT(*) … GROUP BY g, x     counts

and costs the same: its counts are a private boundary of their own, with x as the last key, and with the
contribution bounds and the sensitivity of that. What fills the cell (`folds.py`) reads noisy counts alone.

Rules
- x has public values, or the question cuts it by bins that it writes as constants: as DuckDB has it, a bin
  is named by its upper border, which belongs to it, and what lies above the last one by the greatest value.
- NULL, and a value on no list, are in no cell.
- Equal x share one boundary, whatever is read from its counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind, Scalar
from sandbox.query.expressions import Lowering
from sandbox.query.parse import DIALECT, place_of
from sandbox.query.places import spoken
from sandbox.query.public_keys import public_keys
from sandbox.query.spellings import HISTOGRAM
from sandbox.query.typed import (
    INTEGER_LIMIT,
    LARGEST_BIGINT,
    Typed,
    as_double,
    number_literal,
    operand,
    type_of,
)

_BEYOND: dict[Kind, Scalar | float] = {
    Kind.INTEGER: int(LARGEST_BIGINT), Kind.DOUBLE: float("inf"), Kind.TEXT: "", Kind.DATE: date.max,
    Kind.TIMESTAMP: datetime.max,
}  # fmt: skip
_FINEST = 15  # digits of a border that a DOUBLE holds as it is written


class Reading(StrEnum):
    """What is read from the counts of a group: all of them, or the value with the greatest."""

    HISTOGRAM = "histogram"
    MODE = "mode"


@dataclass(frozen=True, slots=True)
class ByValue:
    """A value to count by.

    Attributes:
        key: the group key that it is; its public values are `key.keys`.
        labels: what the cell calls each of these.
        typed: the kind of the labels.
        text: as the question wrote it.

    """

    key: Typed
    labels: tuple[Scalar | float, ...]
    typed: Typed
    text: str


@dataclass(frozen=True, slots=True)
class Fold:
    """A column of a noisy table that comes from the counts of another.

    Attributes:
        name: of the column (`c0`, …).
        table: the noisy table that gets it.
        source: the noisy table that has the counts: the keys of `table`, then the value.
        measure: its column of counts.
        reading: what is read from them.
        by: the value that they are counted by.

    """

    name: str
    table: str
    source: str
    measure: str
    reading: Reading
    by: ByValue

    @property
    def meaning(self) -> tuple[object, ...]:
        """What it is, apart from names: the same for the same meaning."""
        return self.name, self.source, self.reading.value, repr(self.by.labels), self.by.typed.kind


@dataclass(slots=True)
class Cells:
    """Collects what one SELECT counts by value."""

    values: list[ByValue] = field(default_factory=list)
    cells: list[tuple[int, Reading]] = field(default_factory=list)

    def cell(self, by: ByValue, reading: Reading) -> str:
        """The name of the column for this."""
        same = [i for i, known in enumerate(self.values) if _same(known, by)]
        if not same:
            self.values.append(by)
        wanted = (same[0] if same else len(self.values) - 1, reading)
        if wanted not in self.cells:
            self.cells.append(wanted)
        return f"c{self.cells.index(wanted)}"


def _same(a: ByValue, b: ByValue) -> bool:
    return a.key.sql == b.key.sql and a.labels == b.labels and a.typed.kind is b.typed.kind


def by_value(
    node: exp.Expr, condition: Typed | None, lowering: Lowering, sql: str
) -> tuple[ByValue, Reading]:
    """What HISTOGRAM or MODE (FILTER WHERE `condition`) counts by.

    Raises:
        SandboxError: `sql-unsupported` where only the data knows the values, `sql-type` for bins that are
            none of its kind.

    """
    reading = Reading.MODE if isinstance(node, exp.Mode) else Reading.HISTOGRAM
    argument, bins = (node.this, ()) if isinstance(node, exp.Mode) else _arguments(node)
    if isinstance(argument, exp.Distinct):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{reading.name} of DISTINCT values is not supported.",
            "Drop DISTINCT inside it.",
            place=place_of(node, sql),
        )
    typed, text = lowering.lower(argument), spoken(argument, 60)
    found = _cut(typed, bins, node, sql) if bins else _listed(typed, reading, node, text, sql)
    if condition is not None:
        tree = exp.Case(ifs=[exp.If(this=condition.sql.copy(), true=found.key.sql.copy())])
        steady = found.key.unit_level and condition.unit_level
        found = replace(found, key=replace(found.key, sql=tree, unit_level=steady))
        text = f"{text} where {spoken(condition.sql)}"[:80]
    # Rows where it is NULL, or on no list, are left out before they are counted.
    return replace(found, text=text, key=replace(found.key, nullable=False, links=frozenset())), reading


def _arguments(node: exp.Expr) -> tuple[exp.Expr, Sequence[exp.Expr]]:
    argument, *bins = node.expressions
    return argument, bins[0].expressions if bins else ()


def _listed(t: Typed, reading: Reading, node: exp.Expr, text: str, sql: str) -> ByValue:
    """Counted by each of its public values."""
    keys = public_keys(t)
    if keys is None or t.kind in (None, Kind.DOUBLE):
        best = " ORDER BY n DESC LIMIT 1" if reading is Reading.MODE else ""
        cut = f" Or cut it: {HISTOGRAM}(x, [10, 20, 30])." if reading is Reading.HISTOGRAM else ""
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{reading.name} needs public values; which values {text} has, only the data knows.",
            f"Count by value: SELECT x, COUNT(*) AS n … GROUP BY x{best}.{cut}",
            place=place_of(node, sql),
        )
    return ByValue(replace(t, keys=keys), keys, t, text)


def _cut(t: Typed, bins: Sequence[exp.Expr], node: exp.Expr, sql: str) -> ByValue:
    """Counted by the number of its bin, from 0; the last one is what lies above all."""
    kind = Kind.DOUBLE if t.kind is Kind.DECIMAL else t.kind
    if kind is None or kind not in _BEYOND:
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            "Bins are of numbers, texts, dates and times.",
            f"Leave them out: {HISTOGRAM}(x).",
            place=place_of(node, sql),
        )
    borders = sorted({_border(item, kind, sql) for item in bins})
    value = operand(as_double(t).sql if kind is Kind.DOUBLE else t.sql)
    ifs = [
        exp.If(
            this=exp.LTE(this=value.copy(), expression=_constant(border, kind)),
            true=number_literal(Decimal(i)).sql,
        )
        for i, border in enumerate(borders)
    ]
    above = exp.GT(this=value.copy(), expression=_constant(borders[-1], kind))
    ifs.append(exp.If(this=above, true=number_literal(Decimal(len(borders))).sql))
    last = Decimal(len(borders))
    key = Typed(
        exp.Case(ifs=ifs), Kind.INTEGER, low=Decimal(0), high=last, keys=tuple(range(len(borders) + 1)),
        unit_level=t.unit_level, pieces=t.pieces,
    )  # fmt: skip
    labels = tuple(float(b) if isinstance(b, Decimal) else b for b in borders)
    return ByValue(key, (*labels, _BEYOND[kind]), Typed(exp.Null(), kind), "")


def _border(node: exp.Expr, kind: Kind, sql: str) -> Scalar:
    """A constant as a value of this kind."""
    plain = node.unnest()
    sign = 1
    if isinstance(plain, exp.Neg):
        plain, sign = plain.this.unnest(), -1
    literal = plain.this if isinstance(plain, exp.Cast) else plain
    text, quoted = str(literal.this), bool(literal.args.get("is_string"))
    try:
        if kind is Kind.TEXT and quoted and text:
            return text
        if kind is Kind.DATE and quoted:
            return date.fromisoformat(text)
        if kind is Kind.TIMESTAMP and quoted:
            stamp = datetime.fromisoformat(text)
            if stamp.tzinfo is None:
                return stamp
        if kind in (Kind.INTEGER, Kind.DOUBLE) and not quoted:
            number = sign * Decimal(text)
            if kind is Kind.DOUBLE and len(number.as_tuple().digits) <= _FINEST and number.adjusted() < 300:
                return number
            if kind is Kind.INTEGER and abs(number) < INTEGER_LIMIT and number == int(number):
                return int(number)
    except (ValueError, InvalidOperation, OverflowError):
        pass
    raise SandboxError(
        ErrorCode.SQL_TYPE,
        f"{node.sql(DIALECT)[:40]} is no border of a bin here: the value is of the kind {kind}.",
        f"Bins are constants of the column's own kind, as in {HISTOGRAM}(x, [10, 20, 30]).",
        place=place_of(node, sql) or place_of(node.parent or node, sql),
    )


def _constant(border: Scalar, kind: Kind) -> exp.Expr:
    names = {Kind.INTEGER: "BIGINT", Kind.DOUBLE: "DOUBLE", Kind.TEXT: "VARCHAR", Kind.DATE: "DATE"}
    text = f"{border:f}" if isinstance(border, Decimal) else str(border)
    return exp.Cast(this=exp.Literal.string(text), to=type_of(names.get(kind, "TIMESTAMP")))
