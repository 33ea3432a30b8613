"""Functions that are another spelling of what is supported: written out where a question is read.

WIDTH_BUCKET(x, low, high, n) is PostgreSQL's and the standard's (ISO 9075-2, 6.30): n buckets of one width
over [low, high), numbered from 1; 0 lies below them and n + 1 above. APPROX_COUNT_DISTINCT(x) is
COUNT(DISTINCT x). HISTOGRAM(x) and HISTOGRAM(x, [bins]), for which the parser has no class of its own, become
aggregates that it does not know by name. DATE_PART('hour', x) is EXTRACT, DATE_ADD(x, INTERVAL …) a sum,
ROUND(x, -1) rounds a tenth, and a row is in a list if all its values are those of one of it:
(a, b) IN ((1, 'x'), (2, 'y')). Brackets around the brackets of a SELECT say nothing.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from fractions import Fraction

from sqlglot import exp

from sandbox.query.shifts import moved_constants
from sandbox.query.typed import whole_constant
from sandbox.query.vocabulary import STAMPS

MOST_BUCKETS = 200
MOST_TENS = 9
HISTOGRAM = "HISTOGRAM"
DECIMALS = 12  # no stored number has more: between two of them a border may be rounded up


def respelled(tree: exp.Expr) -> exp.Expr:
    """`tree`, changed in place; what has another form is left for the vocabulary to refuse."""
    for brackets in tree.find_all(exp.Subquery):
        while isinstance(brackets.this, exp.Subquery) and not brackets.this.alias:
            brackets.set("this", brackets.this.this)
    for buckets in list(tree.find_all(exp.WidthBucket)):
        bands = _bands(buckets)
        if bands is not None:
            buckets.replace(bands)
    for distinct in list(tree.find_all(exp.ApproxDistinct)):
        if distinct.args.get("accuracy") is None and isinstance(distinct.this, exp.Expr):
            distinct.replace(exp.Count(this=exp.Distinct(expressions=[distinct.this.copy()])))
    for call in list(tree.find_all(exp.Anonymous)):
        if str(call.this).upper() == HISTOGRAM and _is_histogram(call.expressions):
            made = exp.AnonymousAggFunc(this=HISTOGRAM, expressions=[e.copy() for e in call.expressions])
            made.meta.update(call.meta)
            call.replace(made)
        elif str(call.this).upper() in ("DATE_PART", "DATEPART") and len(call.expressions) == 2:
            part, moment = call.expressions
            if isinstance(part, exp.Literal) and part.is_string:
                call.replace(exp.Extract(this=exp.Var(this=str(part.this)), expression=moment.copy()))
    for added in list(tree.find_all(exp.DateAdd)):
        if isinstance(added.expression, exp.Interval):
            both = exp.Add(this=added.this.copy(), expression=added.expression.copy())
            added.replace(exp.Paren(this=both))
    for rounded in list(tree.find_all(exp.Round)):
        _round_tens(rounded)
    for listed in list(tree.find_all(exp.In)):
        _spell_rows(listed)
    moved_constants(tree)
    return tree


def _round_tens(node: exp.Round) -> None:
    """ROUND(x, -n) as ROUND(x / 10^n) * 10^n."""
    decimals = node.args.get("decimals")
    places = whole_constant(decimals.this, MOST_TENS) if isinstance(decimals, exp.Neg) else None
    if places:
        tens = exp.Literal.number(10**places)
        tenth = exp.Div(this=exp.Paren(this=node.this.copy()), expression=tens, typed=False, safe=False)
        node.replace(exp.Paren(this=exp.Mul(this=exp.Round(this=tenth), expression=tens.copy())))


def _spell_rows(node: exp.In) -> None:
    """Rows are compared value by value, and NULL equals NULL in them, as in DuckDB."""
    mine, rows = node.this.unnest(), node.expressions
    if not isinstance(mine, exp.Tuple) or not all(isinstance(row, exp.Tuple) for row in rows) or not rows:
        return
    if any(len(row.expressions) != len(mine.expressions) for row in rows):
        return
    same = [
        exp.and_(
            *(
                exp.NullSafeEQ(this=exp.Paren(this=a.copy()), expression=exp.Paren(this=b.copy()))
                for a, b in zip(mine.expressions, row.expressions, strict=True)
            ),
            copy=False,
        )
        for row in rows
    ]
    node.replace(exp.Paren(this=exp.or_(*same, copy=False)))


def _is_histogram(arguments: list[exp.Expr]) -> bool:
    """Whether these are a value, and bins written as constants."""
    if len(arguments) != 2:
        return len(arguments) == 1
    bins = arguments[1]
    return (
        isinstance(bins, exp.Array)
        and 1 <= len(bins.expressions) <= MOST_BUCKETS
        and all(_is_constant(item) for item in bins.expressions)
    )


def _is_constant(node: exp.Expr) -> bool:
    """A number, with a sign or without, a text, or a day or time."""
    plain = node.unnest()
    if isinstance(plain, exp.Neg):
        return isinstance(plain.this, exp.Literal) and not plain.this.is_string
    if isinstance(plain, exp.Cast) and plain.is_type(exp.DataType.Type.DATE, *STAMPS):
        plain = plain.this
    return isinstance(plain, exp.Literal)


def _bands(node: exp.WidthBucket) -> exp.Expr | None:
    """The buckets as a CASE; NULL lies in none."""
    low, high = (_constant(node.args.get(name)) for name in ("min_value", "max_value"))
    count = _constant(node.args.get("num_buckets"))
    if node.args.get("this") is None or low is None or high is None or count is None or not low < high:
        return None
    if count != int(count) or not 1 <= count <= MOST_BUCKETS:
        return None
    borders = [_border(low + (high - low) * i / count) for i in range(int(count) + 1)]
    ifs = [
        exp.If(this=exp.LT(this=_operand(node), expression=_literal(border)), true=_literal(Decimal(bucket)))
        for bucket, border in enumerate(borders)
    ]
    above = exp.GTE(this=_operand(node), expression=_literal(borders[-1]))
    return exp.Paren(this=exp.Case(ifs=[*ifs, exp.If(this=above, true=_literal(Decimal(len(borders))))]))


def _operand(node: exp.WidthBucket) -> exp.Expr:
    return exp.Paren(this=node.this.copy())


def _border(at: Fraction) -> Decimal:
    step = Decimal(10) ** -DECIMALS
    exact = Decimal(at.numerator) / Decimal(at.denominator)
    rounded = exact.quantize(step, ROUND_CEILING)
    return rounded if Fraction(rounded) >= at else rounded + step


def _constant(node: exp.Expr | None) -> Fraction | None:
    plain = node.unnest() if node is not None else None
    sign = 1
    if isinstance(plain, exp.Neg):
        plain, sign = plain.this.unnest(), -1
    if not isinstance(plain, exp.Literal) or plain.is_string:
        return None
    try:
        value = Decimal(str(plain.this))
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value) > 10**12 or value != round(value, DECIMALS):
        return None
    return sign * Fraction(value)


def _literal(value: Decimal) -> exp.Expr:
    text = f"{abs(value):f}"
    literal = exp.Literal.number(text.rstrip("0").rstrip(".") if "." in text else text)
    return exp.Neg(this=literal) if value < 0 else literal
