"""Aggregates at the private boundary: what each needs measured, and what it is over the noisy table.

With n the noisy count, s the noisy sum of x - m (m the middle of x's bounds) and so on:
    AVG(x) = m + s / n                              VAR_POP(x) = ss / n - (s / n)**2, ss of (x - m)**2
    COVAR_POP(y, x) = p / n - (s / n)(t / n)        p the sum of (x - m)(y - k), t of y - k
each held within the range that follows from the bounds. Samples multiply by n / (n - 1). CORR and REGR_…
are made of these. Everything after the sums is post-processing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.arithmetic import multiply
from sandbox.query.boundary import Measure, Measuring, Weight, centre
from sandbox.query.histograms import Cells, by_value
from sandbox.query.parse import place_of
from sandbox.query.places import spoken
from sandbox.query.ranks import quantile
from sandbox.query.readings import QUANTILES, wanted
from sandbox.query.relations import column
from sandbox.query.scopes import Scope
from sandbox.query.typed import Typed, cast, held
from sandbox.query.vocabulary import spoken_name

_VARIANCES: dict[type, tuple[bool, bool]] = {  # (of a sample, square root)
    exp.Variance: (True, False),
    exp.VariancePop: (False, False),
    exp.Stddev: (True, True),
    exp.StddevSamp: (True, True),
    exp.StddevPop: (False, True),
}
_PAIRS = (exp.CovarPop, exp.CovarSamp, exp.Corr, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2, exp.RegrCount)


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Aggregates of one boundary; `name` is its noisy table."""

    name: str
    scope: Scope
    measuring: Measuring
    cells: Cells
    sql: str

    def of(self, node: exp.Expr, condition: Typed | None) -> exp.Expr:
        """`node` (FILTER WHERE `condition`) over the noisy table.

        Raises:
            SandboxError: `sql-unsupported`, `sql-type`, `bounds-missing`, `overflow-possible`.

        """
        try:
            match node:
                case exp.Count():
                    return self._count(node, condition)
                case exp.CountIf():
                    test = self.scope.lowering.boolean(node.this)
                    return self._count_where(test, condition, spoken(node.this))
                case exp.Sum():
                    typed = self._argument(node.this, condition)
                    measure, *_ = self.measuring.total(
                        typed, _text(node, condition), centred=False, averaged=False
                    )
                    return self._value(measure)
                case exp.Avg():
                    return self._average(self._argument(node.this, condition), _text(node, condition))
                case _ if type(node) in _VARIANCES:
                    return self._variance(node, self._argument(node.this, condition), _text(node, condition))
                case _ if isinstance(node, _PAIRS):
                    return self._pair(node, condition)
                case _ if type(node) in QUANTILES:
                    return self._quantile(node, condition)
                case exp.Mode() | exp.AnonymousAggFunc():
                    counted = by_value(node, condition, self.scope.lowering, self.sql)
                    return column(self.cells.cell(*counted), self.name)
        except SandboxError as error:
            if error.place is None:
                error.place = place_of(node, self.sql)
            raise
        raise self._unsupported(
            node,
            "Supported: COUNT, COUNT_IF, SUM, AVG, VAR, STDDEV, COVAR, CORR, REGR_SLOPE, REGR_INTERCEPT, "
            "REGR_R2, REGR_COUNT, MEDIAN, QUANTILE_CONT, QUANTILE_DISC, MIN, MAX, MODE, HISTOGRAM.",
        )

    def _count(self, node: exp.Count, condition: Typed | None) -> exp.Expr:
        if isinstance(node.this, exp.Distinct):
            return self._count_distinct(node, condition)
        if isinstance(node.this, exp.Star):
            if condition is None:
                return self._column(self.measuring.count_rows())
            return self._count_where(condition, None, "*")
        typed = self._argument(node.this, condition)
        return self._column(self.measuring.count_values(typed, _text(node, condition)))

    def _count_where(self, test: Typed, condition: Typed | None, text: str) -> exp.Expr:
        one = Typed(cast(exp.Literal.number(1), "BIGINT"), Kind.INTEGER, nullable=False, unit_level=True)
        counted = _where(one, test) if condition is None else _where(_where(one, test), condition)
        label = f"{text} where {spoken((condition or test).sql)}" if condition or text == "*" else text
        return self._column(self.measuring.count_values(counted, label[:80]))

    def _count_distinct(self, node: exp.Count, condition: Typed | None) -> exp.Expr:
        items = node.this.expressions
        if len(items) != 1 or isinstance(items[0].unnest(), exp.Tuple):
            raise self._unsupported(
                node, "COUNT(DISTINCT x) takes one value; count pairs as CONCAT(a, '/', b)."
            )
        typed = self.scope.lowering.lower(items[0])
        if condition is None and f"unit:{self.scope.unit}" in typed.links and not typed.nullable:
            return self._column(self.measuring.units())
        text = spoken(items[0], 60)
        if condition is not None:
            typed = _where(typed, condition)
            text = f"{text} where {spoken(condition.sql)}"[:80]
        return self._column(self.measuring.count_distinct(typed, text))

    def _quantile(self, node: exp.Expr, condition: Typed | None) -> exp.Expr:
        read = wanted(node, self.sql)
        point = quantile(self.measuring, self._argument(node.this, condition), _text(node, condition), *read)
        return column(point.name, self.name)

    def _argument(self, node: exp.Expr, condition: Typed | None) -> Typed:
        if isinstance(node, exp.Distinct):
            raise self._unsupported(node, "Drop DISTINCT inside the aggregate.")
        t = self.scope.lowering.lower(node)
        return t if condition is None else _where(t, condition)

    def _average(self, t: Typed, text: str) -> exp.Expr:
        measure, middle, low, high = self.measuring.total(t, text, centred=True, averaged=True)
        n = self._count_of(t, text)
        mean = _plus(_double(middle), _over(self._double(measure), n))
        return _if_more(n, 0, held(mean, _double(low), _double(high)))

    def _variance(self, node: exp.Expr, t: Typed, text: str) -> exp.Expr:
        sample, root = _VARIANCES[type(node)]
        first, _, low, high = self.measuring.total(t, text, centred=True, averaged=True)
        n = self._count_of(t, text)
        value: exp.Expr = held(
            _minus(_over(self._squares(t, text), n), _square(_over(self._double(first), n))),
            _double(Decimal(0)),
            _double(((high - low) / 2) ** 2),
        )
        if sample:
            value = _times(value, _over(n, _minus(n, _double(Decimal(1)))))
        return _if_more(n, 1 if sample else 0, _root(value) if root else value)

    def _pair(self, node: exp.Expr, condition: Typed | None) -> exp.Expr:
        """Aggregates of two values, over the rows where neither is NULL.

        Where the other value cannot be NULL, those are all rows: then the sums are those of AVG and VAR, and
        measured once.
        """
        y, x = self._argument(node.this, None), self._argument(node.args["expression"], None)
        sure = not x.nullable  # then the rows are those with y, which AVG(y) may have counted
        y, x = (_where(t, _known(other)) if other.nullable else t for t, other in ((y, x), (x, y)))
        if condition is not None:
            y, x = _where(y, condition), _where(x, condition)
        if isinstance(node, exp.RegrCount):
            return self._column(self.measuring.count_values(y if sure else x, f"({_text(node, condition)})"))
        texts = (_text(node, condition), spoken(node.args["expression"], 60))
        first_y, middle_y, low_y, high_y = self.measuring.total(y, texts[0], centred=True, averaged=True)
        first_x, middle_x, low_x, high_x = self.measuring.total(x, texts[1], centred=True, averaged=True)
        product = multiply(centre(y)[0], centre(x)[0])
        both, *_ = self.measuring.total(product, f"({texts[0]})({texts[1]})", centred=False, averaged=True)
        n = self._count_of(*((y, texts[0]) if sure else (x, texts[1])))
        mean_y, mean_x = _over(self._double(first_y), n), _over(self._double(first_x), n)
        most = (high_y - low_y) * (high_x - low_x) / 4
        covariance = held(
            _minus(_over(self._double(both), n), _times(mean_y, mean_x)), _double(-most), _double(most)
        )
        if isinstance(node, exp.CovarPop):
            return _if_more(n, 0, covariance)
        if isinstance(node, exp.CovarSamp):
            return _if_more(n, 1, _times(covariance, _over(n, _minus(n, _double(Decimal(1))))))
        variance_x = self._spread(x, texts[1], mean_x, n)
        if isinstance(node, exp.Corr | exp.RegrR2):
            variance_y = self._spread(y, texts[0], mean_y, n)
            both_vary = _times(variance_x, variance_y)
            r = held(_over(covariance, _root(both_vary)), _double(Decimal(-1)), _double(Decimal(1)))
            if isinstance(node, exp.Corr):
                return _if_more(n, 1, _if_more(both_vary, 0, r))
            # A constant y is explained whole, a constant x explains nothing (ISO 9075-2, 10.9).
            square = exp.Pow(this=r, expression=exp.Literal.number(2))
            explained = exp.Case(
                ifs=[exp.If(this=exp.GT(this=both_vary, expression=exp.Literal.number(0)), true=square)],
                default=_double(Decimal(1)),
            )
            return _if_more(n, 1, _if_more(variance_x, 0, explained))
        slope = _over(covariance, variance_x)
        if isinstance(node, exp.RegrSlope):
            return _if_more(n, 1, slope)
        whole_y, whole_x = _plus(_double(middle_y), mean_y), _plus(_double(middle_x), mean_x)
        return _if_more(n, 1, _minus(whole_y, _times(slope, whole_x)))

    def _spread(self, t: Typed, text: str, mean: exp.Expr, n: exp.Expr) -> exp.Expr:
        """Population variance from a mean (of centred values) that is known; at least 0."""
        value = _minus(_over(self._squares(t, text), n), _square(mean))
        return exp.Greatest(this=value, expressions=[_double(Decimal(0))], ignore_nulls=True)

    def _squares(self, t: Typed, text: str) -> exp.Expr:
        """The sum of (x - m)**2, as a DOUBLE."""
        centred, _ = centre(t)
        square = replace(multiply(centred, centred), low=Decimal(0))
        measure, *_ = self.measuring.total(square, f"({text})^2", centred=False, averaged=True)
        return self._double(measure)

    def _count_of(self, t: Typed, text: str) -> exp.Expr:
        return cast(self._column(self.measuring.count_values(t, text, Weight.DIVISOR)), "DOUBLE")

    def _column(self, measure: Measure) -> exp.Column:
        return column(measure.name, self.name)

    def _value(self, measure: Measure) -> exp.Expr:
        if measure.decimal or measure.scale == 0:
            return self._column(measure)
        return self._double(measure)

    def _double(self, measure: Measure) -> exp.Expr:
        value = cast(self._column(measure), "DOUBLE")
        if measure.decimal or measure.scale == 0:
            return value
        return exp.Paren(this=exp.Div(this=value, expression=_double(Decimal(10) ** measure.scale)))

    def _unsupported(self, node: exp.Expr, hint: str) -> SandboxError:
        return SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} is not supported in this form.",
            hint,
            place=place_of(node, self.sql),
        )


def _text(node: exp.Expr, condition: Typed | None) -> str:
    """What the aggregate reads, as the question wrote it."""
    argument = "*" if isinstance(node.this, exp.Star) else spoken(node.this, 60)
    if condition is None:
        return argument
    return f"{argument} where {spoken(condition.sql)}"[:80]


def _where(t: Typed, condition: Typed) -> Typed:
    """The value where the condition holds, NULL elsewhere: FILTER (WHERE …)."""
    tree = exp.Case(ifs=[exp.If(this=condition.sql.copy(), true=t.sql.copy())])
    return replace(t, sql=tree, nullable=True, keys=None, links=frozenset())


def _known(t: Typed) -> Typed:
    """The condition that `t` is not NULL."""
    test = exp.Not(this=exp.Paren(this=exp.Is(this=exp.Paren(this=t.sql.copy()), expression=exp.Null())))
    return Typed(test, Kind.BOOLEAN, nullable=False)


def _double(value: Decimal) -> exp.Expr:
    return cast(exp.Literal.string(f"{value:f}"), "DOUBLE")


def _plus(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Add(this=a.copy(), expression=b.copy()))


def _minus(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Sub(this=a.copy(), expression=b.copy()))


def _times(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Mul(this=a.copy(), expression=b.copy()))


def _over(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    divisor = exp.Nullif(this=b.copy(), expression=_double(Decimal(0)))
    return exp.Paren(this=exp.Div(this=a.copy(), expression=divisor))


def _square(a: exp.Expr) -> exp.Expr:
    return _times(a, a)


def _root(a: exp.Expr) -> exp.Expr:
    """Its square root, with 0 for what is below 0: so it never raises, whatever stands around it."""
    return exp.Sqrt(this=exp.Greatest(this=a.copy(), expressions=[_double(Decimal(0))], ignore_nulls=True))


def _if_more(n: exp.Expr, least: int, value: exp.Expr) -> exp.Expr:
    enough = exp.GT(this=n.copy(), expression=exp.Literal.number(least))
    return exp.Case(ifs=[exp.If(this=enough, true=value)])
