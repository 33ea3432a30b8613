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
from sandbox.query.parse import place_of
from sandbox.query.typed import (
    NATIVE_WIDTH,
    Typed,
    as_decimal,
    as_double,
    cast,
    clamped,
    decimal_type,
    number_literal,
)
from sandbox.query.vocabulary import AGGREGATES, spoken_name

_COMPARE = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_DATE_PARTS: dict[str, tuple[int, int] | None] = {
    "YEAR": None, "QUARTER": (1, 4), "MONTH": (1, 12), "DAY": (1, 31), "WEEK": (1, 53),
    "DOW": (0, 6), "DAYOFWEEK": (0, 6), "DOY": (1, 366), "DAYOFYEAR": (1, 366), "HOUR": (0, 23),
}  # fmt: skip
_PART_OF_CLASS: dict[type, str] = {
    exp.Year: "YEAR", exp.Quarter: "QUARTER", exp.Month: "MONTH", exp.Day: "DAY", exp.Week: "WEEK",
    exp.DayOfWeek: "DOW", exp.DayOfYear: "DOY", exp.Hour: "HOUR",
}  # fmt: skip
_TRUNCATE = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR"})
_TEXT_TO_TEXT = (exp.Lower, exp.Upper, exp.Trim)
_TEXT_TESTS = (exp.StartsWith, exp.EndsWith, exp.Contains)
_DOUBLE_FUNCTIONS = (exp.Sqrt, exp.Ln, exp.Exp)
MAX_PATTERN = 200


@dataclass(frozen=True, slots=True)
class Lowering:
    """Lowers expressions of one scope; `lookup` gives the columns, `sql` is the text (for places)."""

    lookup: Callable[[exp.Column], Typed]
    sql: str

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

    def boolean(self, node: exp.Expr) -> Typed:
        """`node`, which must be a condition."""
        t = self.lower(node)
        if t.kind not in (Kind.BOOLEAN, None):
            raise self._type_error(node, "is not a condition")
        return t

    def _lower(self, node: exp.Expr) -> Typed:
        match node:
            case exp.Paren():
                inner = self.lower(node.this)
                return inner.at(exp.Paren(this=inner.sql.copy()))
            case exp.Column():
                return self.lookup(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return self._constant(node)
            case exp.Neg():
                return arithmetic.negate(self._number(node.this))
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.IntDiv() | exp.Mod():
                return self._arithmetic(node)
            case exp.And() | exp.Or():
                a, b = self.boolean(node.left), self.boolean(node.right)
                return self._truth(type(node)(this=_wrapped(a.sql), expression=_wrapped(b.sql)), a, b)
            case exp.Not():
                a = self.boolean(node.this)
                return self._truth(exp.Not(this=_wrapped(a.sql)), a)
            case exp.Is():
                a = self.lower(node.this)
                if not isinstance(node.expression, exp.Null | exp.Boolean):
                    raise self._unsupported(node)
                return replace(
                    self._truth(exp.Is(this=a.sql.copy(), expression=node.expression.copy()), a),
                    nullable=False,
                )
            case _ if isinstance(node, _COMPARE):
                a, b = self._comparable(node, node.left, node.right)
                return self._truth(type(node)(this=a.sql.copy(), expression=b.sql.copy()), a, b)
            case exp.Between():
                a, low = self._comparable(node, node.this, node.args["low"])
                _, high = self._comparable(node, node.this, node.args["high"])
                return self._truth(exp.Between(this=a.sql.copy(), low=low.sql, high=high.sql), a, low, high)
            case exp.In():
                pairs = [self._comparable(node, node.this, item) for item in node.expressions]
                if not pairs:
                    raise self._unsupported(node)
                a = pairs[0][0]
                return self._truth(
                    exp.In(this=a.sql.copy(), expressions=[b.sql for _, b in pairs]),
                    a,
                    *(b for _, b in pairs),
                )
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.Case() | exp.If():
                return self._case(node)
            case exp.Coalesce() | exp.Greatest() | exp.Least():
                return self._choice(node)
            case exp.Nullif():
                a, b = self._comparable(node, node.this, node.expression)
                return replace(
                    a, sql=exp.Nullif(this=a.sql.copy(), expression=b.sql), nullable=True, links=frozenset()
                )
            case exp.Cast():
                return self._cast(node)
            case exp.Abs():
                return arithmetic.absolute(self._number(node.this))
            case exp.Round() | exp.Floor() | exp.Ceil():
                return self._round(node)
            case exp.Sign():
                t = as_double(self._number(node.this))
                tree = exp.TryCast(this=exp.Sign(this=t.sql), to=exp.DataType.build("BIGINT"))
                return self._like_facts(t, tree, Kind.INTEGER, low=Decimal(-1), high=Decimal(1))
            case exp.Pow():
                a, b = as_double(self._number(node.this)), as_double(self._number(node.expression))
                return self._like_facts(a, exp.Pow(this=a.sql, expression=b.sql), Kind.DOUBLE, b)
            case _ if isinstance(node, _DOUBLE_FUNCTIONS):
                a = as_double(self._number(node.this))
                return self._like_facts(a, type(node)(this=a.sql), Kind.DOUBLE)
            case _ if isinstance(node, _TEXT_TO_TEXT):
                a = self._text(node.this)
                return self._like_facts(a, type(node)(this=a.sql.copy()), Kind.TEXT)
            case exp.Length():
                a = self._text(node.this)
                return self._like_facts(a, cast(exp.Length(this=a.sql.copy()), "BIGINT"), Kind.INTEGER)
            case exp.Substring() | exp.Left() | exp.Right():
                return self._part_of_text(node)
            case exp.Concat() | exp.DPipe():
                return self._concat(node)
            case _ if isinstance(node, _TEXT_TESTS):
                a, b = self._text(node.this), self._text(node.expression)
                return self._truth(type(node)(this=a.sql.copy(), expression=b.sql.copy()), a, b)
            case _ if type(node) in _PART_OF_CLASS:
                return self._date_part(node.this, _PART_OF_CLASS[type(node)], node)
            case exp.Extract():
                return self._date_part(node.expression, node.this.name.upper(), node)
            case exp.TimestampTrunc() | exp.DateTrunc():
                return self._truncate(node)
            case _ if type(node) in AGGREGATES:
                raise SandboxError(
                    ErrorCode.SQL_UNSUPPORTED,
                    f"The aggregate {spoken_name(node)} may not stand here.",
                    "Aggregates belong in SELECT, HAVING and ORDER BY; nest them through a subquery in FROM.",
                    place=place_of(node, self.sql),
                )
            case _:
                raise self._unsupported(node)

    # -- facts ---------------------------------------------------------------------------------

    def _like_facts(self, t: Typed, sql: exp.Expr, kind: Kind, *others: Typed, **facts: Decimal) -> Typed:
        everything = (t, *others)
        return Typed(
            sql,
            kind,
            nullable=True,
            unit_level=all(o.unit_level for o in everything),
            low=facts.get("low"),
            high=facts.get("high"),
            bounded="low" in facts,
        )

    def _truth(self, sql: exp.Expr, *parts: Typed) -> Typed:
        return Typed(
            sql,
            Kind.BOOLEAN,
            keys=(False, True),
            nullable=any(p.nullable for p in parts),
            unit_level=all(p.unit_level for p in parts),
        )

    # -- operands ------------------------------------------------------------------------------

    def _number(self, node: exp.Expr) -> Typed:
        t = self.lower(node)
        if not t.number:
            raise self._type_error(node, "is not a number")
        return t

    def _text(self, node: exp.Expr) -> Typed:
        t = self.lower(node)
        if t.kind is not Kind.TEXT:
            raise self._type_error(node, "is not text")
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
            raise self._type_error(node, "is not a number that is understood") from None
        if not value.is_finite() or abs(value.adjusted()) > 300:
            raise self._type_error(node, "is too large or too small")
        return number_literal(value)

    def _arithmetic(self, node: exp.Expr) -> Typed:
        a, b = self._number(node.left), self._number(node.right)
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

    def _comparable(self, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> tuple[Typed, Typed]:
        """Both sides of a comparison, in kinds that DuckDB compares without a cast that could fail."""
        a, b = self.lower(left), self.lower(right)
        if a.kind is None or b.kind is None or a.kind is b.kind:
            return a, b
        if a.number and b.number:
            if Kind.DOUBLE in (a.kind, b.kind):
                return as_double(a), as_double(b)
            return a, b
        moments = (Kind.DATE, Kind.TIMESTAMP)
        if a.kind in moments and b.kind in moments:
            return _as_timestamp(a), _as_timestamp(b)
        a_literal, b_literal = left.unnest(), right.unnest()
        if b.kind is Kind.TEXT and isinstance(b_literal, exp.Literal):
            b = self._read_literal(b_literal, a)
        elif a.kind is Kind.TEXT and isinstance(a_literal, exp.Literal):
            a = self._read_literal(a_literal, b)
        if a.kind is b.kind or (a.number and b.number):
            return a, b
        if a.kind in moments and b.kind in moments:
            return _as_timestamp(a), _as_timestamp(b)
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            f"{a.kind.value} and {b.kind.value} cannot be compared.",
            "Cast one side: CAST(x AS …).",
            place=place_of(node, self.sql),
        )

    def _read_literal(self, literal: exp.Literal, like: Typed) -> Typed:
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
        raise self._type_error(literal, f"is not a {kind}")

    # -- choices -------------------------------------------------------------------------------

    def _unify(self, node: exp.Expr, branches: list[Typed]) -> list[Typed]:
        """Branches in one kind and type; NULL branches stay NULL."""
        kinds = {b.kind for b in branches if b.kind is not None}
        if kinds <= {Kind.INTEGER, Kind.DECIMAL} and len(kinds) == 2:
            branches = [b if b.kind is None else as_decimal(clamped(b)) for b in branches]
        elif Kind.DOUBLE in kinds and kinds <= {Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE}:
            branches = [b if b.kind is None else as_double(b) for b in branches]
        elif kinds == {Kind.DATE, Kind.TIMESTAMP}:
            branches = [b if b.kind is None else _as_timestamp(b) for b in branches]
        elif len(kinds) > 1:
            names = " and ".join(sorted(k.value for k in kinds))
            raise SandboxError(
                ErrorCode.SQL_TYPE,
                f"{spoken_name(node)} mixes {names}.",
                "Cast the branches to one type.",
                place=place_of(node, self.sql),
            )
        decimals = [b for b in branches if b.kind is Kind.DECIMAL]
        if decimals and len({(d.width, d.scale) for d in decimals}) > 1:
            scale = max(d.scale for d in decimals)
            width = max(d.width - d.scale for d in decimals) + scale
            if width > 38:
                raise arithmetic.overflow()
            branches = [
                b if b.kind is not Kind.DECIMAL
                else replace(b, sql=cast(b.sql, decimal_type(width, scale)), width=width, scale=scale)
                for b in branches
            ]  # fmt: skip
        return branches

    def _hull(self, branches: list[Typed], conditions: list[Typed], *, nullable: bool) -> Typed:
        """Facts of a value that is one of `branches` (their `sql` is a placeholder)."""
        valued = [b for b in branches if b.kind is not None]
        first = valued[0] if valued else branches[0]
        lows, highs = [b.low for b in valued], [b.high for b in valued]
        known = bool(valued) and None not in lows and None not in highs
        keys: tuple[object, ...] | None = ()
        for b in valued:
            values = b.keys if b.keys is not None else _single(b)
            keys = None if keys is None or values is None else (*keys, *(v for v in values if v not in keys))
        return Typed(
            first.sql,
            first.kind,
            first.scale,
            first.width,
            low=min(v for v in lows if v is not None) if known else None,
            high=max(v for v in highs if v is not None) if known else None,
            bounded=all(b.bounded for b in valued),
            keys=tuple(keys) if keys is not None and valued else None,  # type: ignore[arg-type]
            nullable=nullable,
            unit_level=all(b.unit_level for b in (*branches, *conditions)),
        )

    def _case(self, node: exp.Expr) -> Typed:
        if isinstance(node, exp.If):
            ifs, default, subject = [node], node.args.get("false"), None
        else:
            ifs, default, subject = node.args["ifs"], node.args.get("default"), node.this
        conditions = []
        for branch in ifs:
            test = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject else branch.this
            conditions.append(self.boolean(test))
        values = [self.lower(branch.args["true"]) for branch in ifs]
        values.append(
            self.lower(default) if default is not None else Typed(exp.Null(), None, unit_level=True)
        )
        values = self._unify(node, values)
        tree = exp.Case(
            ifs=[exp.If(this=c.sql, true=v.sql) for c, v in zip(conditions, values[:-1], strict=True)],
            default=values[-1].sql,
        )
        nullable = any(v.nullable for v in values)
        return self._hull(values, conditions, nullable=nullable).at(tree)

    def _choice(self, node: exp.Expr) -> Typed:
        parts = self._unify(node, [self.lower(p) for p in (node.this, *node.expressions)])
        tree = type(node)(this=parts[0].sql, expressions=[p.sql for p in parts[1:]])
        hull = self._hull(parts, [], nullable=all(p.nullable for p in parts))
        if isinstance(node, exp.Coalesce):
            return hull.at(tree)
        if not hull.number:
            return replace(hull, sql=tree, keys=None)
        return self._extreme(node, parts, replace(hull, sql=tree, keys=None))

    def _extreme(self, node: exp.Expr, parts: list[Typed], hull: Typed) -> Typed:
        """LEAST and GREATEST narrow bounds: this is how a question states a clamp of its own.

        DuckDB's LEAST and GREATEST skip NULLs, so only a part that is never NULL bounds the result.
        """
        side = "high" if isinstance(node, exp.Least) else "low"
        pick = min if isinstance(node, exp.Least) else max
        sure = [
            getattr(p, side) for p in parts if not p.nullable and p.bounded and getattr(p, side) is not None
        ]
        return replace(hull, **{side: pick(sure)}) if sure else hull

    # -- casts, rounding -----------------------------------------------------------------------

    def _cast(self, node: exp.Expr) -> Typed:
        to = node.to
        name = to.this.value if isinstance(to.this, exp.DType) else str(to.this)
        literal = node.this.unnest()
        if (
            name in ("DATE", "TIMESTAMP", "DATETIME")
            and isinstance(literal, exp.Literal)
            and literal.is_string
        ):
            like = Typed(exp.Null(), Kind.DATE if name == "DATE" else Kind.TIMESTAMP)
            return replace(self._read_literal(literal, like), unit_level=True)
        t = self.lower(node.this)
        if to.args.get("nested"):
            raise self._unsupported(node)
        if name in ("INT", "BIGINT", "SMALLINT", "TINYINT"):
            if t.number or t.kind in (Kind.BOOLEAN, Kind.TEXT):
                soft = clamped(t) if t.number and t.low is not None and t.high is not None else t
                low = None if soft.low is None else soft.low.to_integral_value("ROUND_FLOOR")
                high = None if soft.high is None else soft.high.to_integral_value("ROUND_CEILING")
                if t.kind is Kind.BOOLEAN:
                    low, high = Decimal(0), Decimal(1)
                tree = exp.TryCast(this=soft.sql, to=exp.DataType.build("BIGINT"))
                result = replace(self._like_facts(t, tree, Kind.INTEGER), low=low, high=high)
                return replace(
                    result,
                    nullable=t.nullable or not t.exact,
                    keys=(0, 1) if t.kind is Kind.BOOLEAN else None,
                )
        elif name in ("DOUBLE", "FLOAT"):
            if t.number:
                return as_double(t)
            if t.kind is Kind.TEXT:
                return self._like_facts(
                    t, exp.TryCast(this=t.sql, to=exp.DataType.build("DOUBLE")), Kind.DOUBLE
                )
        elif name in ("DECIMAL", "NUMERIC"):
            return self._cast_decimal(node, t)
        elif name in ("VARCHAR", "TEXT", "CHAR"):
            tree = exp.TryCast(this=t.sql, to=exp.DataType.build("VARCHAR"))
            return t if t.kind is Kind.TEXT else self._like_facts(t, tree, Kind.TEXT)
        elif name == "BOOLEAN" and t.kind in (Kind.BOOLEAN, Kind.INTEGER):
            return self._truth(exp.TryCast(this=t.sql, to=exp.DataType.build("BOOLEAN")), t)
        elif name == "DATE" and t.kind in (Kind.DATE, Kind.TIMESTAMP):
            return self._like_facts(t, exp.TryCast(this=t.sql, to=exp.DataType.build("DATE")), Kind.DATE)
        elif name in ("TIMESTAMP", "DATETIME") and t.kind in (Kind.DATE, Kind.TIMESTAMP):
            return _as_timestamp(t)
        raise self._type_error(node, f"is a cast that is not supported (to {name})")

    def _cast_decimal(self, node: exp.Expr, t: Typed) -> Typed:
        sizes = [int(p.name) for p in node.to.expressions]
        width, scale = (*sizes, 18, 3)[:2] if len(sizes) != 1 else (sizes[0], 0)
        if not t.number or not 1 <= width <= NATIVE_WIDTH or not 0 <= scale <= 9:
            raise self._type_error(node, "is a cast that is not supported: DECIMAL(1…18, 0…9) of a number")
        soft = clamped(t)
        tree = exp.TryCast(this=soft.sql, to=decimal_type(width, scale))
        step = Decimal(10) ** -scale
        low = None if soft.low is None else soft.low.quantize(step, rounding="ROUND_FLOOR")
        high = None if soft.high is None else soft.high.quantize(step, rounding="ROUND_CEILING")
        most = (Decimal(10) ** width - 1) * step
        low, high = (
            max(-most, low if low is not None else -most),
            min(most, high if high is not None else most),
        )
        return Typed(
            tree,
            Kind.DECIMAL,
            scale,
            width,
            min(low, high),
            max(low, high),
            nullable=True,
            unit_level=t.unit_level,
        )

    def _round(self, node: exp.Expr) -> Typed:
        decimals = node.args.get("decimals")
        if decimals is not None and not (isinstance(decimals, exp.Literal) and str(decimals.this).isdigit()):
            raise self._type_error(node, "needs a whole number of decimals")
        places = int(decimals.this) if decimals is not None else 0
        t = self._number(node.this)
        if t.kind is Kind.INTEGER:
            return t
        if places > 9:
            raise self._type_error(node, "allows at most 9 decimals")
        soft = as_double(clamped(t) if t.low is not None and t.high is not None else t)
        tree = (
            type(node)(this=soft.sql, decimals=exp.Literal.number(places))
            if places
            else type(node)(this=soft.sql)
        )
        step = Decimal(10) ** -places
        low = None if soft.low is None else soft.low.quantize(step, rounding="ROUND_FLOOR")
        high = None if soft.high is None else soft.high.quantize(step, rounding="ROUND_CEILING")
        result = replace(soft, sql=tree, low=low, high=high, bounded=False, keys=None, links=frozenset())
        if places or low is None or high is None or max(abs(low), abs(high)) >= 2**53:
            return result
        whole = exp.TryCast(this=clamped(result).sql, to=exp.DataType.build("BIGINT"))
        return replace(result, sql=whole, kind=Kind.INTEGER, bounded=True)

    # -- text and time -------------------------------------------------------------------------

    def _like(self, node: exp.Expr) -> Typed:
        a = self._text(node.this)
        pattern = node.expression.unnest()
        if (
            not (isinstance(pattern, exp.Literal) and pattern.is_string)
            or len(str(pattern.this)) > MAX_PATTERN
        ):
            raise self._type_error(node, f"needs a constant pattern of at most {MAX_PATTERN} characters")
        tree: exp.Expr = type(node)(this=a.sql.copy(), expression=pattern.copy())
        if node.args.get("negate"):
            tree = exp.Not(this=exp.Paren(this=tree))
        return self._truth(tree, a)

    def _part_of_text(self, node: exp.Expr) -> Typed:
        a = self._text(node.this)
        names = ("start", "length") if isinstance(node, exp.Substring) else ("expression",)
        numbers = {}
        for name in names:
            value = node.args.get(name)
            if value is None:
                continue
            if not (
                isinstance(value, exp.Literal) and str(value.this).isdigit() and int(value.this) <= 10_000
            ):
                raise self._type_error(node, "needs constant positions up to 10,000")
            numbers[name] = exp.Literal.number(int(value.this))
        result = self._like_facts(a, type(node)(this=a.sql.copy(), **numbers), Kind.TEXT)
        return replace(result, nullable=a.nullable)

    def _concat(self, node: exp.Expr) -> Typed:
        nodes = node.expressions if isinstance(node, exp.Concat) else [node.left, node.right]
        parts = [self._text(p) for p in nodes]
        if isinstance(node, exp.DPipe):
            tree: exp.Expr = exp.Paren(
                this=exp.DPipe(this=parts[0].sql.copy(), expression=parts[1].sql.copy())
            )
        else:
            tree = node.copy()
            tree.set("expressions", [p.sql.copy() for p in parts])
        return self._like_facts(parts[0], tree, Kind.TEXT, *parts[1:])

    def _date_part(self, operand: exp.Expr, part: str, node: exp.Expr) -> Typed:
        t = self.lower(operand)
        if t.kind not in (Kind.DATE, Kind.TIMESTAMP) or part not in _DATE_PARTS:
            raise self._type_error(node, "is not a date part of a date or timestamp")
        tree = cast(exp.Extract(this=exp.Var(this=part), expression=t.sql.copy()), "BIGINT")
        span = _DATE_PARTS[part]
        result = self._like_facts(t, tree, Kind.INTEGER)
        if span is None:
            return replace(result, low=Decimal(-300_000), high=Decimal(300_000), bounded=False)
        return replace(
            result, low=Decimal(span[0]), high=Decimal(span[1]), bounded=True,
            keys=tuple(range(span[0], span[1] + 1)), nullable=t.nullable,
        )  # fmt: skip

    def _truncate(self, node: exp.Expr) -> Typed:
        unit = node.args["unit"].name.upper()
        t = self.lower(node.this)
        if t.kind not in (Kind.DATE, Kind.TIMESTAMP) or unit not in _TRUNCATE:
            raise self._type_error(
                node, "cuts a date or timestamp to " + ", ".join(sorted(_TRUNCATE)).lower()
            )
        # A date far outside the range of timestamps would raise; TRY makes it NULL.
        tree = exp.Try(this=exp.TimestampTrunc(this=_as_timestamp(t).sql.copy(), unit=exp.Var(this=unit)))
        return self._like_facts(t, tree, Kind.TIMESTAMP)

    # -- refusals ------------------------------------------------------------------------------

    def _unsupported(self, node: exp.Expr) -> SandboxError:
        return SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} is not supported on protected rows.",
            "Supported: comparisons, arithmetic, CASE, COALESCE, text and date parts, CAST.",
            place=place_of(node, self.sql),
        )

    def _type_error(self, node: exp.Expr, what: str) -> SandboxError:
        return SandboxError(
            ErrorCode.SQL_TYPE, f"{node.sql('duckdb')[:80]} {what}.", "Check the types in the dataset's dictionary.",
            place=place_of(node, self.sql),
        )  # fmt: skip


def _as_timestamp(t: Typed) -> Typed:
    if t.kind is Kind.TIMESTAMP:
        return t
    tree = exp.TryCast(this=t.sql.copy(), to=exp.DataType.build("TIMESTAMP"))
    return replace(t, sql=tree, kind=Kind.TIMESTAMP, keys=None, nullable=True, links=frozenset())


def _single(t: Typed) -> tuple[object, ...] | None:
    """The one value of a numeric constant, as a public key; None for anything else."""
    if t.low is None or t.low != t.high or not t.bounded or t.nullable or not t.exact:
        return None
    return (int(t.low),) if t.kind is Kind.INTEGER else (t.low,)


def _wrapped(tree: exp.Expr) -> exp.Expr:
    return (
        exp.Paren(this=tree.copy())
        if isinstance(tree, exp.Binary | exp.Not | exp.Between | exp.In)
        else tree.copy()
    )
