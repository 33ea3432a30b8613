"""Text patterns and parts, and parts of dates and times, over protected rows."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.public_keys import periods, truncated
from sandbox.query.typed import (
    Typed,
    as_timestamp,
    cast,
    operand,
    whole_constant,
)

if TYPE_CHECKING:
    from sandbox.query.expressions import Lowering


_DATE_PARTS: dict[str, tuple[int, int] | None] = {
    "YEAR": None, "QUARTER": (1, 4), "MONTH": (1, 12), "DAY": (1, 31), "WEEK": (1, 53),
    "DOW": (0, 6), "DAYOFWEEK": (0, 6), "DOY": (1, 366), "DAYOFYEAR": (1, 366), "HOUR": (0, 23),
    "MINUTE": (0, 59), "SECOND": (0, 59), "ISODOW": (1, 7),
}  # fmt: skip
_TRUNCATE = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR"})
MAX_PATTERN = 200
_PIECE = r"(?:[\w ,\-]|\\[dws.]|\.|\[\^?[\w ,\-]+\]|\([\w ,\-]*(?:\|[\w ,\-]*)*\))"
_GRAMMAR = re.compile(rf"\^?(?:{_PIECE}(?:[*+?]|\{{\d{{1,2}}(?:,\d{{0,2}})?\}})?)*\$?", re.ASCII)
_FORMAT = re.compile(r"(?:%[YmdHMSjyabABp]|[ ./:T-])+")
MAX_POSITION = 10_000
MAX_PIECES = 64


def pattern(lowering: Lowering, node: exp.Expr) -> Typed:
    """LIKE and ILIKE with a constant pattern."""
    a = lowering.text(node.this)
    pattern = node.expression.unnest()
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or len(str(pattern.this)) > MAX_PATTERN:
        raise lowering.type_error(node, f"needs a constant pattern of at most {MAX_PATTERN} characters")
    tree: exp.Expr = type(node)(this=operand(a.sql), expression=pattern.copy())
    if node.args.get("negate"):
        tree = exp.Not(this=exp.Paren(this=tree))
    return lowering.truth(tree, a)


def expression_pattern(lowering: Lowering, node: exp.Expr) -> Typed:
    """REGEXP_MATCHES and SIMILAR TO with a constant pattern of a small grammar.

    The engine's matcher takes time linear in the text; the grammar (groups hold plain alternatives, no group)
    keeps the pattern small, and its ranges are tried, so that none is refused once it is paid for.
    """
    a = lowering.text(node.this)
    constant = node.expression.unnest()
    text = str(constant.this) if isinstance(constant, exp.Literal) and constant.is_string else ""
    if not 0 < len(text) <= MAX_PATTERN or not _GRAMMAR.fullmatch(text) or not _compiles(text):
        raise lowering.type_error(
            node, "needs a constant, plain pattern: letters, ., [a-z], (a|b), each with *, +, ? or {2,3}"
        )
    return lowering.truth(type(node)(this=operand(a.sql), expression=exp.Literal.string(text)), a)


def _compiles(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def written_moment(lowering: Lowering, node: exp.Expr) -> Typed:
    """STRFTIME with a constant format of whole fields."""
    t = lowering.lower(node.this)
    form = node.args["format"].unnest()
    text = str(form.this) if isinstance(form, exp.Literal) and form.is_string else ""
    if t.kind not in (Kind.DATE, Kind.TIMESTAMP) or not _FORMAT.fullmatch(text):
        raise lowering.type_error(node, "needs a day or time and a constant format, as in '%Y-%m'")
    moment = as_timestamp(t)
    return lowering.like_facts(
        t, exp.TimeToStr(this=moment.sql.copy(), format=exp.Literal.string(text)), Kind.TEXT
    )


def part_between(lowering: Lowering, node: exp.Expr) -> Typed:
    """SPLIT_PART with a constant separator and place."""
    a = lowering.text(node.this)
    separator = node.args["delimiter"].unnest()
    at = whole_constant(node.args["part_index"], MAX_POSITION)
    if not (isinstance(separator, exp.Literal) and separator.is_string and separator.name) or not at:
        raise lowering.type_error(node, "needs a constant separator and a place from 1 on")
    tree = exp.SplitPart(this=a.sql.copy(), delimiter=separator.copy(), part_index=exp.Literal.number(at))
    return replace(lowering.like_facts(a, tree, Kind.TEXT), nullable=a.nullable)


def part_of_text(lowering: Lowering, node: exp.Expr) -> Typed:
    """SUBSTRING, LEFT, RIGHT with constant positions."""
    a = lowering.text(node.this)
    names = ("start", "length") if isinstance(node, exp.Substring) else ("expression",)
    numbers = {}
    for name in names:
        value = node.args.get(name)
        if value is None:
            continue
        number = whole_constant(value, MAX_POSITION)
        if number is None:
            raise lowering.type_error(node, f"needs constant positions up to {MAX_POSITION:,}")
        numbers[name] = exp.Literal.number(number)
    result = lowering.like_facts(a, type(node)(this=a.sql.copy(), **numbers), Kind.TEXT)
    return replace(result, nullable=a.nullable)


def concatenation(lowering: Lowering, node: exp.Expr) -> Typed:
    """CONCAT skips NULLs; || gives NULL for them.

    A text that is put together from copies of itself, again and again, would take all memory for one chosen
    row, and the failure would tell of that row: so the number of its pieces is bounded.
    """
    nodes = [node.left, node.right] if isinstance(node, exp.DPipe) else node.expressions
    parts = [lowering.text(p) for p in nodes]
    pieces = sum(p.pieces for p in parts)
    if pieces > MAX_PIECES:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            f"A text may be put together from at most {MAX_PIECES} pieces.",
            "Concatenate fewer values.",
        )
    if isinstance(node, exp.DPipe):
        tree: exp.Expr = exp.Paren(
            this=exp.DPipe(this=operand(parts[0].sql), expression=operand(parts[1].sql))
        )
    else:
        tree = node.copy()
        tree.set("expressions", [p.sql.copy() for p in parts])
    return replace(lowering.like_facts(parts[0], tree, Kind.TEXT, *parts[1:]), pieces=pieces)


def date_part(lowering: Lowering, operand: exp.Expr, part: str, node: exp.Expr) -> Typed:
    """EXTRACT and its shorthands, as whole numbers."""
    t = lowering.lower(operand)
    if t.kind not in (Kind.DATE, Kind.TIMESTAMP) or part not in _DATE_PARTS:
        raise lowering.type_error(node, "is not a date part of a date or timestamp")
    tree = cast(exp.Extract(this=exp.Var(this=part), expression=t.sql.copy()), "BIGINT")
    span = _DATE_PARTS[part]
    result = lowering.like_facts(t, tree, Kind.INTEGER)
    if span is None:
        first, last = (t.span[0].year, t.span[1].year) if t.span is not None else (-300_000, 300_000)
        return replace(result, low=Decimal(first), high=Decimal(last), bounded=False)
    return replace(
        result, low=Decimal(span[0]), high=Decimal(span[1]), bounded=True,
        keys=tuple(range(span[0], span[1] + 1)), nullable=t.nullable,
    )  # fmt: skip


def truncation(lowering: Lowering, node: exp.Expr) -> Typed:
    """DATE_TRUNC to a TIMESTAMP."""
    unit = node.args["unit"].name.upper()
    t = lowering.lower(node.this)
    if t.kind not in (Kind.DATE, Kind.TIMESTAMP) or unit not in _TRUNCATE:
        raise lowering.type_error(node, "cuts a date or timestamp to " + ", ".join(sorted(_TRUNCATE)).lower())
    # A date far outside the range of timestamps would raise; TRY makes it NULL.
    tree = exp.Try(this=exp.TimestampTrunc(this=as_timestamp(t).sql.copy(), unit=exp.Var(this=unit)))
    result = lowering.like_facts(t, tree, Kind.TIMESTAMP)
    if t.span is None:
        return result
    ends = truncated(t.span[0], unit), truncated(t.span[1], unit)
    return replace(result, span=ends, keys=periods(t.span, unit))
