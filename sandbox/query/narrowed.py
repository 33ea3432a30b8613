"""Bounds and values that a question states in WHERE: `x BETWEEN 0 AND 10` bounds every x that is left.

Only what every row that is left meets counts: parts that AND connects, of a column on one side and constants
on the other. They are the question's own words, so they depend on no row; and as values are held within the
bounds that follow, as within the policy's, the noise is right whatever the rows are. Of the values that are
left none is changed: one that the condition lets pass lies, once held within the policy's bounds, in both.

`x IN ('a', 'b')`, `x = 'a'`, and such equalities of one column that OR connects, list every x that is left:
the list is the question's own, so it is public, whether or not a row has any of its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sqlglot import exp

from sandbox.policy.types import Kind, Scalar
from sandbox.query.expressions import Lowering
from sandbox.query.public_keys import MOST_PUBLIC_KEYS
from sandbox.query.typed import Typed
from sandbox.query.vocabulary import STAMPS, alternatives, conjuncts

_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.EQ: exp.EQ,
}  # fmt: skip
_LISTED = (Kind.TEXT, Kind.BOOLEAN, Kind.INTEGER, Kind.DATE, Kind.TIMESTAMP)
_LOWER, _UPPER = (exp.GT, exp.GTE, exp.EQ), (exp.LT, exp.LTE, exp.EQ)


@dataclass(frozen=True, slots=True)
class Limit:
    """`column <comparison> value`, true of every row that is left. Days and times are themselves."""

    comparison: type[exp.Expr]
    value: Decimal | date


@dataclass(frozen=True, slots=True)
class Listed:
    """`column = one of values`, true of every row that is left."""

    values: tuple[Scalar, ...]


Limits = Mapping[tuple[str, str], tuple[Limit | Listed, ...]]
"""By table and column, in lower case."""


def of_remaining(where: exp.Where | None, lowering: Lowering) -> Lowering:
    """`lowering` for what is computed of the rows that WHERE leaves."""
    limits = limits_of(where.this, lowering) if where is not None else {}
    if not limits:
        return lowering

    def lookup(node: exp.Column) -> Typed:
        return narrowed(lowering.lookup(node), limits.get((node.table, node.name.lower()), ()))

    return replace(lowering, lookup=lookup)


def limits_of(condition: exp.Expr, lowering: Lowering) -> Limits:
    """What a condition says of single columns; `lowering` reads the columns as they are before it."""
    found: dict[tuple[str, str], tuple[Limit | Listed, ...]] = {}
    for part in conjuncts(condition):
        for node, comparison, constants in _comparisons(part):
            key = (node.table, node.name.lower())
            kind = lowering.lookup(node).kind
            if kind in (Kind.TEXT, Kind.BOOLEAN):
                written = _written(constants, kind) if comparison is exp.EQ else ()
                found[key] = (*found.get(key, ()), *([Listed(written)] if written else []))
                continue
            values = _values(part, node, constants, lowering)
            if not values:
                continue
            low, high = min(values), max(values)
            ends: tuple[Limit | Listed, ...] = (
                (Limit(comparison, low),) if low == high
                else (Limit(exp.GTE, low), Limit(exp.LTE, high))
            )  # fmt: skip
            listed = [Listed(tuple(dict.fromkeys(values)))] if comparison is exp.EQ else []
            found[key] = (*found.get(key, ()), *ends, *listed)
    return found


def _comparisons(part: exp.Expr) -> Iterable[tuple[exp.Column, type[exp.Expr], list[exp.Expr]]]:
    """The column, how it is compared, and with what: with any of several for IN, and for OR."""
    if isinstance(part, exp.Or):
        either = [found for side in alternatives(part) for found in _comparisons(side)]
        same = len({(node.table, node.name.lower()) for node, _, _ in either}) == 1
        if same and len(either) == len(list(alternatives(part))) and all(c is exp.EQ for _, c, _ in either):
            yield either[0][0], exp.EQ, [constant for _, _, constants in either for constant in constants]
    elif isinstance(part, exp.Column):
        yield part, exp.EQ, [exp.Boolean(this=True)]
    elif isinstance(part, exp.Not) and isinstance(part.this.unnest(), exp.Column):
        yield part.this.unnest(), exp.EQ, [exp.Boolean(this=False)]
    elif isinstance(part, exp.Binary) and type(part) in _TURNED:
        left, right = part.left.unnest(), part.right.unnest()
        if isinstance(left, exp.Column):
            yield left, type(part), [right]
        elif isinstance(right, exp.Column):
            yield right, _TURNED[type(part)], [left]
    elif isinstance(part, exp.Between) and isinstance(part.this.unnest(), exp.Column):
        if not part.args.get("symmetric"):
            yield part.this.unnest(), exp.GTE, [part.args["low"]]
            yield part.this.unnest(), exp.LTE, [part.args["high"]]
    elif isinstance(part, exp.In) and isinstance(part.this.unnest(), exp.Column) and part.expressions:
        yield part.this.unnest(), exp.EQ, list(part.expressions)


def _written(constants: list[exp.Expr], kind: Kind) -> tuple[Scalar, ...]:
    """The texts, or truth values, where all are written as such; none otherwise."""
    plain = [c.unnest() for c in constants]
    if kind is Kind.BOOLEAN and all(isinstance(c, exp.Boolean) for c in plain):
        return tuple(dict.fromkeys(bool(c.this) for c in plain))
    if kind is Kind.TEXT and all(isinstance(c, exp.Literal) and c.is_string for c in plain):
        return tuple(dict.fromkeys(str(c.this) for c in plain))
    return ()


def _values(
    part: exp.Expr, node: exp.Column, constants: list[exp.Expr], lowering: Lowering
) -> list[Decimal] | list[datetime] | list[date]:
    """The constants, where they are compared with the column exactly; none otherwise."""
    if any(c.find(exp.Column, exp.Query, exp.Window) is not None for c in constants):
        return []
    own = lowering.lookup(node)
    if own.kind in (Kind.DATE, Kind.TIMESTAMP):
        moments = [_moment(c.unnest(), own.kind) for c in constants]
        return [] if None in moments else moments  # type: ignore[return-value]
    if not own.number:
        return []
    compared, *read = lowering.comparable(part, node, *constants)
    if compared.kind is not own.kind:
        return []  # in floating point, where an exact number may meet a border that it only comes near
    values = [t.low if t.number and not t.nullable and t.low == t.high else None for t in read]
    return [] if None in values else values  # type: ignore[return-value]


def _moment(node: exp.Expr, kind: Kind) -> date | None:
    """A day for a column of days, a time for one of times; None for anything else."""
    literal = node.this.unnest() if isinstance(node, exp.Cast) else node
    if not (isinstance(literal, exp.Literal) and literal.is_string):
        return None
    to = node.to.this if isinstance(node, exp.Cast) else None
    if to not in (None, exp.DataType.Type.DATE, *STAMPS):
        return None
    text = str(literal.this).strip()
    try:
        if kind is Kind.DATE:
            return None if to in STAMPS or len(text) > 10 else date.fromisoformat(text)
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return None
    if stamp.tzinfo is not None:
        return None
    return datetime.combine(stamp.date(), time.min) if to is exp.DataType.Type.DATE else stamp


def narrowed(t: Typed, said: Iterable[Limit | Listed]) -> Typed:
    """A column where the limits hold: never NULL, within its own bounds and theirs, and one of its list."""
    said = tuple(said)
    if not said:
        return t
    t = replace(t, nullable=False)
    for one in said:
        t = _of_list(t, one.values) if isinstance(one, Listed) else t
    limits = tuple(one for one in said if isinstance(one, Limit))
    if not limits:
        return t
    if t.kind in (Kind.DATE, Kind.TIMESTAMP):
        return _narrowed_span(t, limits)
    lows = [_least(t, x.comparison, x.value) for x in limits if x.comparison in _LOWER]
    highs = [_most(t, x.comparison, x.value) for x in limits if x.comparison in _UPPER]
    low = max([*lows, *([t.low] if t.low is not None else [])], default=None)
    high = min([*highs, *([t.high] if t.high is not None else [])], default=None)
    if low is None or high is None or (low, high) == (t.low, t.high) or low > high:
        return (
            t  # one end alone bounds nothing; where only values beyond its bounds are left, these hold them
        )
    keys = t.keys
    if keys is not None and t.exact:
        keys = tuple(k for k in keys if not isinstance(k, str | date) and low <= k <= high) or keys
    return replace(t, low=low, high=high, bounded=False, near=False, keys=keys)


def _of_list(t: Typed, values: tuple[Scalar, ...]) -> Typed:
    """A column where every row that is left has one of the values: of a list that it has already, some."""
    if t.kind not in _LISTED:
        return t
    if t.kind is Kind.INTEGER:
        values = tuple(int(v) for v in values if isinstance(v, Decimal) and v == v.to_integral_value())
    keys = tuple(k for k in t.keys if k in values) if t.keys is not None else values
    return replace(t, keys=keys) if 0 < len(keys) <= MOST_PUBLIC_KEYS else t


def _least(t: Typed, comparison: type[exp.Expr], value: Decimal | date) -> Decimal:
    """The least value of the type of `t` that compares so."""
    assert isinstance(value, Decimal)  # noqa: S101 -- `_values` reads numbers for numbers
    if not t.exact:
        return value
    step = Decimal(1).scaleb(-t.scale)
    over = comparison is exp.GT
    units = (value / step).to_integral_value(ROUND_FLOOR if over else ROUND_CEILING) + over
    return units * step


def _most(t: Typed, comparison: type[exp.Expr], value: Decimal | date) -> Decimal:
    """The greatest value of the type of `t` that compares so."""
    assert isinstance(value, Decimal)  # noqa: S101 -- as above
    if not t.exact:
        return value
    step = Decimal(1).scaleb(-t.scale)
    under = comparison is exp.LT
    units = (value / step).to_integral_value(ROUND_CEILING if under else ROUND_FLOOR) - under
    return units * step


def _narrowed_span(t: Typed, limits: tuple[Limit, ...]) -> Typed:
    step = timedelta(days=1) if t.kind is Kind.DATE else timedelta(microseconds=1)
    first, last = [], []
    for limit in limits:
        moment = limit.value
        assert isinstance(moment, date)  # noqa: S101 -- as above
        try:
            if limit.comparison in _LOWER:
                first.append(moment + step if limit.comparison is exp.GT else moment)
            if limit.comparison in _UPPER:
                last.append(moment - step if limit.comparison is exp.LT else moment)
        except OverflowError:
            continue  # the calendar ends there
    if t.span is not None:
        first.append(t.span[0])
        last.append(t.span[1])
    if not first or not last or len({isinstance(m, datetime) for m in (*first, *last)}) > 1:
        return t
    if max(first) > min(last):
        return t
    return replace(t, span=(max(first), min(last)))
