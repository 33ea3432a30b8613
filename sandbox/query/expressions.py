"""Lower a scalar expression over protected rows to a total, typed one.

Every rule states what it gives for NULL, for values outside bounds, and how it stays total:
casts are TRY_CAST, division by zero is NULL, dates are cut (never shifted), patterns are constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query import arithmetic
from sandbox.query.choices import case, choice
from sandbox.query.conversions import conversion, rounding
from sandbox.query.curves import curve
from sandbox.query.days import dated, difference, moment, name_of
from sandbox.query.parse import place_of
from sandbox.query.places import spoken
from sandbox.query.shifts import CALENDAR, moved, shifted
from sandbox.query.texts import (
    concatenation,
    date_part,
    expression_pattern,
    part_between,
    part_of_text,
    pattern,
    truncation,
    written_moment,
)
from sandbox.query.typed import (
    MAX_WIDTH,
    Typed,
    as_double,
    as_timestamp,
    cast,
    common_width,
    number_literal,
    operand,
    type_of,
)
from sandbox.query.vocabulary import AGGREGATES, spoken_name

_COMPARE = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_PART_OF_CLASS: dict[type, str] = {
    exp.Year: "YEAR", exp.Quarter: "QUARTER", exp.Month: "MONTH", exp.Day: "DAY", exp.Week: "WEEK",
    exp.DayOfWeek: "DOW", exp.DayOfYear: "DOY", exp.Hour: "HOUR",
    exp.Minute: "MINUTE", exp.Second: "SECOND", exp.DayOfWeekIso: "ISODOW",
}  # fmt: skip
_SUPPORTED = "Supported: comparisons, arithmetic, CASE, COALESCE, text and date parts, CAST."
ASK_FIRST = (
    "Ask it first, as a question of its own, and write its answer here as a number; or join on the unit."
)
_TEXT_TO_TEXT = (exp.Lower, exp.Upper, exp.Trim)
_TEXT_TESTS = (exp.StartsWith, exp.EndsWith, exp.Contains)


Nested = Callable[[exp.In | exp.Subquery, "Lowering"], Typed]


@dataclass(frozen=True, slots=True)
class Lowering:
    """Lowers expressions of one scope.

    `lookup` gives the columns, `sql` is the text (for places), `nested` lowers `x IN (SELECT …)` and a SELECT
    in the place of a value, `window` a window function (None: there can be none).
    """

    lookup: Callable[[exp.Column], Typed]
    sql: str
    nested: Nested
    window: Callable[[exp.Window], Typed] | None = None

    def lower(self, node: exp.Expr) -> Typed:
        """`node` as a total typed expression.

        Raises:
            SandboxError: `sql-type`, `sql-unsupported`, `bounds-missing`, `overflow-possible`,
                with the place of the smallest part that is at fault.

        """
        try:
            return self._lower(node)
        except SandboxError as error:
            if error.place is None:
                error.place = place_of(node, self.sql)
            raise

    def output(self, node: exp.Expr) -> Typed:
        """`node` as a column of a SELECT: what is computed from a row's number is none any more."""
        t = self.lower(node)
        return t if isinstance(node, exp.Column | exp.Window) else replace(t, ordinal=False)

    def boolean(self, node: exp.Expr) -> Typed:
        """`node`, which must be a condition."""
        t = self.lower(node)
        if t.kind not in (Kind.BOOLEAN, None):
            raise self.type_error(node, "is not a condition")
        return t

    def _lower(self, node: exp.Expr) -> Typed:  # noqa: PLR0915
        match node:
            case exp.Paren():
                return self.lower(node.this)  # every operator brackets its operands itself
            case exp.Column():
                return self.lookup(node)
            case exp.Window():
                if self.window is None:
                    raise self.unsupported(node)
                return self.window(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return self._constant(node)
            case exp.DateDiff():
                later, earlier = moment(self, node.this), moment(self, node.expression)
                return difference(self, node, later, earlier, node.args["unit"].name.upper())
            case exp.Dayname() | exp.Monthname():
                return name_of(self, node)
            case exp.Neg():
                return arithmetic.negate(self.number(node.this))
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.IntDiv() | exp.Mod():
                return self._arithmetic(node)
            case exp.And() | exp.Or():
                a, b = self.boolean(node.left), self.boolean(node.right)
                return self.truth(type(node)(this=operand(a.sql), expression=operand(b.sql)), a, b)
            case exp.Not():
                a = self.boolean(node.this)
                return self.truth(exp.Not(this=operand(a.sql)), a)
            case exp.Is():
                a = self.lower(node.this)
                if not isinstance(node.expression, exp.Null | exp.Boolean):
                    raise self.unsupported(node)
                return replace(
                    self.truth(exp.Is(this=operand(a.sql), expression=node.expression.copy()), a),
                    nullable=False,
                )
            case _ if isinstance(node, _COMPARE):
                a, b = self.comparable(node, node.left, node.right)
                return self.truth(type(node)(this=operand(a.sql), expression=operand(b.sql)), a, b)
            case exp.Between():
                a, low, high = self.comparable(node, node.this, node.args["low"], node.args["high"])
                ends = {"low": operand(low.sql), "high": operand(high.sql)}
                return self.truth(exp.Between(this=operand(a.sql), **ends), a, low, high)
            case exp.In() if node.args.get("query") is not None:
                return self.nested(node, self)
            case exp.Subquery():
                return self.nested(node, self)
            case exp.In():
                if not node.expressions:
                    raise self.unsupported(node)
                a, *items = self.comparable(node, node.this, *node.expressions)
                return self.truth(exp.In(this=operand(a.sql), expressions=[b.sql for b in items]), a, *items)
            case exp.Like() | exp.ILike():
                return pattern(self, node)
            case exp.Case() | exp.If():
                return case(self, node)
            case exp.Coalesce() | exp.Greatest() | exp.Least():
                return choice(self, node)
            case exp.Nullif():
                a, b = self.comparable(node, node.this, node.expression)
                return replace(
                    a,
                    sql=exp.Nullif(this=a.sql.copy(), expression=b.sql),
                    nullable=True,
                    links=frozenset(),
                    unit_level=a.unit_level and b.unit_level,
                )
            case exp.Cast():
                return conversion(self, node)
            case exp.Abs():
                return arithmetic.absolute(self.number(node.this))
            case exp.Round() | exp.Floor() | exp.Ceil():
                return rounding(self, node)
            case exp.Sign():
                t = as_double(self.number(node.this))
                tree = exp.TryCast(this=exp.Sign(this=t.sql), to=type_of("BIGINT"))
                return self.like_facts(t, tree, Kind.INTEGER, low=Decimal(-1), high=Decimal(1))
            case exp.Pow() | exp.Sqrt() | exp.Ln() | exp.Log() | exp.Exp():
                return curve(self, node)
            case _ if isinstance(node, _TEXT_TO_TEXT):
                a = self.text(node.this)
                return self.like_facts(a, type(node)(this=a.sql.copy()), Kind.TEXT)
            case exp.Length():
                a = self.text(node.this)
                counted = cast(exp.Length(this=a.sql.copy()), "BIGINT")
                length = self.like_facts(a, counted, Kind.INTEGER, low=Decimal(0))
                if a.keys is None:
                    return length
                # The code list says how long its texts are; a text of no list may be longer, and is held.
                most = max((len(str(key)) for key in a.keys), default=0)
                return replace(length, high=Decimal(most), bounded=False)
            case exp.RegexpLike() | exp.SimilarTo():
                return expression_pattern(self, node)
            case exp.SplitPart():
                return part_between(self, node)
            case exp.TimeToStr():
                return written_moment(self, node)
            case exp.Substring() | exp.Left() | exp.Right():
                return part_of_text(self, node)
            case exp.Concat() | exp.DPipe():
                return concatenation(self, node)
            case _ if isinstance(node, _TEXT_TESTS):
                a, b = self.text(node.this), self.text(node.expression)
                return self.truth(type(node)(this=a.sql.copy(), expression=b.sql.copy()), a, b)
            case _ if type(node) in _PART_OF_CLASS:
                return date_part(self, node.this, _PART_OF_CLASS[type(node)], node)
            case exp.Extract():
                return date_part(self, node.expression, node.this.name.upper(), node)
            case exp.TimestampTrunc() | exp.DateTrunc():
                return truncation(self, node)
            case _ if type(node) in AGGREGATES:
                raise SandboxError(
                    ErrorCode.SQL_UNSUPPORTED,
                    f"The aggregate {spoken_name(node)} may not stand here.",
                    "Aggregates belong in SELECT, HAVING and ORDER BY; nest them through a subquery in FROM.",
                    place=place_of(node, self.sql),
                )
            case _:
                raise self.unsupported(node)

    # -- facts ---------------------------------------------------------------------------------

    def like_facts(self, t: Typed, sql: exp.Expr, kind: Kind, *others: Typed, **facts: Decimal) -> Typed:
        """Facts of a function of `t` and `others`: NULL may occur, keys are unknown."""
        everything = (t, *others)
        return Typed(
            sql,
            kind,
            nullable=True,
            unit_level=all(o.unit_level for o in everything),
            pieces=max(o.pieces for o in everything),
            low=facts.get("low"),
            high=facts.get("high"),
            bounded="low" in facts,
        )

    def truth(self, sql: exp.Expr, *parts: Typed) -> Typed:
        """A condition made of `parts`."""
        return Typed(
            sql,
            Kind.BOOLEAN,
            keys=(False, True),
            nullable=any(p.nullable for p in parts),
            unit_level=all(p.unit_level for p in parts),
        )

    # -- operands ------------------------------------------------------------------------------

    def number(self, node: exp.Expr) -> Typed:
        """`node`, which must be a number."""
        return self._checked_number(node, self.lower(node))

    def _checked_number(self, node: exp.Expr, t: Typed) -> Typed:
        if not t.number:
            raise self.type_error(node, "is not a number")
        return t

    def text(self, node: exp.Expr) -> Typed:
        """`node`, which must be text."""
        t = self.lower(node)
        if t.kind is not Kind.TEXT:
            raise self.type_error(node, "is not text")
        return t

    def _constant(self, node: exp.Expr) -> Typed:
        if isinstance(node, exp.Null):
            return Typed(exp.Null(), None, unit_level=True)
        if isinstance(node, exp.Boolean):
            return Typed(node.copy(), Kind.BOOLEAN, keys=(bool(node.this),), nullable=False, unit_level=True)
        if node.args.get("is_string"):
            return Typed(node.copy(), Kind.TEXT, keys=(str(node.this),), nullable=False, unit_level=True)
        try:
            value = Decimal(str(node.this))
        except InvalidOperation:
            raise self.type_error(node, "is not a number that is understood") from None
        if not value.is_finite() or abs(value.adjusted()) > 300:
            raise self.type_error(node, "is too large or too small")
        return number_literal(value)

    def _arithmetic(self, node: exp.Binary) -> Typed:
        # Each side is lowered once: twice at each level would take for ever where arithmetic is nested.
        a = self.lower(node.left)
        if isinstance(node, exp.Add | exp.Sub) and a.kind in CALENDAR:
            return moved(self, node, a)
        a = self._checked_number(node.left, a)
        b = self.lower(node.right)
        if isinstance(node, exp.Add) and b.kind is Kind.DATE:
            return shifted(self, node, dated(node.right, b), a)
        b = self._checked_number(node.right, b)
        match node:
            case exp.Add():
                return arithmetic.add(a, b)
            case exp.Sub():
                return arithmetic.subtract(a, b)
            case exp.Mul():
                return arithmetic.multiply(a, b)
            case exp.Div():
                return arithmetic.divide(a, b)
            case _:
                return arithmetic.integer_divide(a, b, modulo=isinstance(node, exp.Mod))

    def comparable(self, node: exp.Expr, *parts: exp.Expr) -> list[Typed]:
        """Parts of a comparison, in kinds that DuckDB compares without a cast that could fail.

        Text constants are read as the kind of the first part that is none.
        """
        found = [self.lower(part) for part in parts]
        texts = [
            t.kind is Kind.TEXT and isinstance(part.unnest(), exp.Literal)
            for t, part in zip(found, parts, strict=True)
        ]
        like = next((t for t, text in zip(found, texts, strict=True) if not text and t.kind), None)
        if like is not None and like.kind is not Kind.TEXT:
            for i, text in enumerate(texts):
                if text:
                    literal = parts[i].unnest()
                    assert isinstance(literal, exp.Literal)  # noqa: S101 -- so `texts` says
                    found[i] = self.read_literal(literal, like)
        return self.alike(node, found)

    def alike(self, node: exp.Expr, found: list[Typed]) -> list[Typed]:
        """Values that `node` compares, in kinds that DuckDB compares without a cast that could fail."""
        kinds = {t.kind for t in found if t.kind is not None}
        if kinds == {Kind.DATE, Kind.TIMESTAMP}:
            return [t if t.kind is None else as_timestamp(t) for t in found]
        if kinds <= {Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE}:
            fits = kinds == {Kind.DOUBLE} or (Kind.DOUBLE not in kinds and common_width(found) <= MAX_WIDTH)
            return found if fits else [t if t.kind is None else as_double(t) for t in found]
        if len(kinds) > 1:
            raise SandboxError(
                ErrorCode.SQL_TYPE,
                f"{' and '.join(sorted(k.value for k in kinds))} cannot be compared.",
                "Cast one side: CAST(x AS …).",
                place=place_of(node, self.sql),
            )
        return found

    def read_literal(self, literal: exp.Literal, like: Typed) -> Typed:
        """A text constant as a constant of the kind of `like`."""
        text = str(literal.this).strip()
        try:
            if like.kind is Kind.DATE:
                if len(text) > 10:
                    datetime.fromisoformat(text)
                    return Typed(cast(exp.Literal.string(text), "TIMESTAMP"), Kind.TIMESTAMP, nullable=False)
                moment: date = date.fromisoformat(text)
                return Typed(
                    cast(exp.Literal.string(moment.isoformat()), "DATE"),
                    Kind.DATE,
                    nullable=False,
                    unit_level=True,
                )
            if like.kind is Kind.TIMESTAMP:
                stamp = datetime.fromisoformat(text)
                if stamp.tzinfo is not None:
                    raise ValueError
                literal_text = stamp.isoformat(sep=" ")
                return Typed(
                    cast(exp.Literal.string(literal_text), "TIMESTAMP"),
                    Kind.TIMESTAMP,
                    nullable=False,
                    unit_level=True,
                )
            if like.number:
                value = Decimal(text)
                if value.is_finite() and abs(value.adjusted()) < 300:
                    return number_literal(value)
            if like.kind is Kind.BOOLEAN and text.lower() in ("true", "false"):
                return Typed(
                    exp.Boolean(this=text.lower() == "true"), Kind.BOOLEAN, nullable=False, unit_level=True
                )
        except (ValueError, InvalidOperation):
            pass
        kind = like.kind.value if like.kind else "value"
        raise self.type_error(literal, f"is not {'an' if kind == 'integer' else 'a'} {kind}")

    # -- refusals ------------------------------------------------------------------------------

    def unsupported(self, node: exp.Expr) -> SandboxError:
        """The refusal of a construct that has no rule here."""
        return SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} is not supported on protected rows.",
            ASK_FIRST if isinstance(node, exp.Subquery) else _SUPPORTED,
            place=place_of(node, self.sql),
        )

    def type_error(self, node: exp.Expr, what: str) -> SandboxError:
        """The refusal of a value of the wrong kind."""
        return SandboxError(
            ErrorCode.SQL_TYPE,
            f"{spoken(node)} {what}.",
            "Check the types in the dataset's dictionary.",
            place=place_of(node, self.sql),
        )  # fmt: skip
