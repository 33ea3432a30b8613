"""What stands in a FROM clause: protected rows, or public rows (open tables and noisy answers).

A protected base table becomes `SELECT __unit, <shown columns> FROM <relation> WHERE <row rules>`:
row filters and masks apply before anything that the question says (design rule). Every table keeps only as
many rows of a unit as its policy bounds, by their random rank. So one unit's rows cannot take all the time
there is by meeting each other in a join, all its rows together move an answer by a bounded amount, and where
that bound is the best one known, no unit has to be looked at apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from sqlglot import exp

from sandbox.catalog.model import RANK_COLUMN, UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.masks import shown_as
from sandbox.policy.types import ColumnPolicy, Kind, RowRule, Scalar, TablePolicy, Use
from sandbox.query.public_keys import MOST_PUBLIC_KEYS
from sandbox.query.shifts import CALENDAR, within_calendar
from sandbox.query.typed import Typed, cast, decimal_type, type_of


@dataclass(frozen=True, slots=True)
class Contribution:
    """Contribution bounds of one unit to a relation: rows in all, groups, rows in one group.

    `once`: the relation itself holds at most one row of each unit, so nothing need be bounded later.
    `met`: rows of one unit that a join can really meet, whatever is counted of them later.
    `sure`: most rows of one unit that the relation really holds, enforced below; None when that is not known.
    `found`: the policy bounds one unit's totals widely, and has clamps within them found privately.
    """

    rows: int
    groups: int
    rows_per_group: int
    once: bool
    met: int
    sure: int | None = None
    found: bool = False

    def joined(self, other: Contribution) -> Contribution:
        """Bounds after joining on the unit: each row of one side meets each of the other."""
        rows = self.rows * other.rows
        return Contribution(
            rows,
            min(rows, self.groups * other.groups),
            min(rows, self.rows_per_group * other.rows_per_group),
            self.once and other.once,
            self.met * other.met,
            None if self.sure is None or other.sure is None else self.sure * other.sure,
            self.found or other.found,
        )

    def added(self, other: Contribution) -> Contribution:
        """Bounds of the rows of both together."""
        return Contribution(
            self.rows + other.rows,
            self.groups + other.groups,
            self.rows_per_group + other.rows_per_group,
            once=False,
            met=self.met + other.met,
            sure=None if self.sure is None or other.sure is None else self.sure + other.sure,
            found=self.found or other.found,
        )

    def held_to(self, most: int | None) -> Contribution:
        """The same bounds where a condition keeps at most `most` rows of each unit (None: it keeps all)."""
        if most is None:
            return self
        n = max(1, most)
        return Contribution(
            min(self.rows, n),
            min(self.groups, n),
            min(self.rows_per_group, n),
            self.once or n == 1,
            min(self.met, n),
            n if self.sure is None else min(self.sure, n),
            self.found,
        )

    def fanned_out(self) -> Contribution:
        """The same bounds where a row may meet several public rows: they hold only once enforced."""
        return replace(self, once=False, sure=None)


@dataclass(frozen=True, slots=True)
class Rows:
    """Protected rows below the private boundary. `tree` outputs the columns and `__unit`."""

    tree: exp.Select
    columns: Mapping[str, Typed]
    unit: str
    bound: Contribution


@dataclass(frozen=True, slots=True)
class Public:
    """Rows that anybody may see: open tables, noisy answers, and what was made of them.

    `why`: what keeps protected rows from looking them up, where that has a reason of its own.
    """

    tree: exp.Select
    columns: tuple[str, ...]
    why: SandboxError | None = None


@dataclass(frozen=True, slots=True)
class OpenKey:
    """Columns of an open table, in lower case, of which a question needs that no two rows share them."""

    dataset: str
    table: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns of open rows, in lower case, that no two rows share; `keys`: the declared ones that say so."""

    columns: frozenset[str]
    keys: frozenset[OpenKey] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(Public):
    """Rows of open tables that can also be joined to protected ones: `stored` reads the stored tables.

    `unique`: in the form in which a join may rely on it. `spread`: how many tables' rows multiply in it.
    `single`: it has one row at most.
    """

    stored: exp.Select
    typed: Mapping[str, Typed]
    unique: tuple[Unique, ...] = ()
    spread: int = 1
    single: bool = False


def relation_name(dataset: str, table: str) -> exp.Table:
    """The placeholder of a stored table in rewritten SQL; the executor puts the real relation there."""
    return exp.Table(this=exp.to_identifier(f"{dataset}.{table}", quoted=True))


def result_table(name: str) -> exp.Table:
    """A noisy or open table, as post-processing names it."""
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column."""
    of = exp.to_identifier(table, quoted=True) if table else None
    return exp.Column(this=exp.to_identifier(name, quoted=True), table=of)


def aliased(value: exp.Expr, name: str) -> exp.Alias:
    """`value AS name`, with `value` itself in it."""
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def subquery(tree: exp.Select, alias: str) -> exp.Subquery:
    """`(tree) AS alias`, with `tree` itself in it."""
    return exp.Subquery(this=tree, alias=exp.TableAlias(this=exp.to_identifier(alias)))


def as_source(tree: exp.Select, alias: str) -> exp.Subquery:
    """`(tree) AS "alias"`, with a copy of `tree` in it, under a name of the question."""
    name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    return exp.Subquery(this=tree.copy(), alias=name)


def literal(value: Scalar, policy: ColumnPolicy) -> exp.Expr:
    """A policy's value as a typed constant.

    Raises:
        SandboxError: `policy-refused` when the value does not fit the column's kind (lint finds this first).

    """
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, datetime):
        return cast(exp.Literal.string(value.isoformat(sep=" ")), "TIMESTAMP")
    if isinstance(value, date):
        return cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, str):
        return exp.Literal.string(value)
    number = exp.Literal.string(f"{Decimal(value):f}")
    if policy.type is Kind.INTEGER:
        return cast(number, "BIGINT")
    return cast(number, decimal_type(38, policy.decimals) if policy.type is Kind.DECIMAL else "DOUBLE")


def shown(name: str, policy: ColumnPolicy) -> exp.Expr:
    """The raw column behind its mask; total for every stored value.

    Days and times outside the years 1 to 9999 are NULL: on the outermost ones DuckDB's date functions raise,
    and writing one as text even stops the whole engine.
    """
    raw: exp.Expr = column(name)
    if policy.type in CALENDAR:
        raw = within_calendar(raw, policy.type)
    mask = policy.shown_as
    if mask is None:
        return raw
    if mask.prefix is not None:
        return exp.Left(this=raw, expression=exp.Literal.number(mask.prefix))
    if mask.truncate is not None:
        stamp = exp.TryCast(this=raw, to=type_of("TIMESTAMP"))
        cut: exp.Expr = exp.Try(this=exp.TimestampTrunc(this=stamp, unit=exp.Var(this=mask.truncate.upper())))
        return exp.TryCast(this=cut, to=type_of("DATE")) if policy.type is Kind.DATE else cut
    assert mask.band is not None  # noqa: S101 -- the policy reader allows exactly one mask
    width = exp.Literal.string(f"{mask.band:f}")
    double = exp.Paren(this=exp.Div(this=cast(raw, "DOUBLE"), expression=cast(width, "DOUBLE")))
    lowered = exp.Mul(this=exp.Floor(this=double), expression=cast(width.copy(), "DOUBLE"))
    target = {
        Kind.INTEGER: type_of("BIGINT"),
        Kind.DECIMAL: decimal_type(policy.digits, policy.decimals),
    }.get(policy.type)
    return exp.TryCast(this=lowered, to=target) if target is not None else lowered


def condition(rule: RowRule, policy: ColumnPolicy) -> exp.Expr:
    """A row rule on the raw column."""
    raw = column(rule.column)
    if rule.is_null is not None:
        test: exp.Expr = exp.Is(this=raw, expression=exp.Null())
        return test if rule.is_null else exp.Not(this=test)
    if rule.one_of is not None:
        return exp.In(this=raw, expressions=[literal(v, policy) for v in rule.one_of])
    for value, node in (
        (rule.equals, exp.EQ), (rule.not_equals, exp.NEQ), (rule.at_least, exp.GTE), (rule.at_most, exp.LTE),
    ):  # fmt: skip
        if value is not None:
            return node(this=raw, expression=literal(value, policy))
    raise SandboxError(
        ErrorCode.POLICY_REFUSED, "A row rule states no condition.", "Ask a steward to mend the policy."
    )


def facts(policy: ColumnPolicy, links: frozenset[str], *, unit_level: bool) -> Typed:
    """What the policy says of a column's values, as its mask shows them."""
    p = shown_as(policy)
    low, high = p.between if p.between is not None else (None, None)
    number = p.type in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
    low_number = Decimal(low) if number and isinstance(low, int | Decimal) else None
    high_number = Decimal(high) if number and isinstance(high, int | Decimal) else None
    span = (low, high) if isinstance(low, date) and isinstance(high, date) else None
    keys: tuple[Scalar, ...] | None = p.values
    if keys is None and p.type is Kind.BOOLEAN:
        keys = (False, True)
    if keys is None and p.type is Kind.INTEGER and p.shown_as is None and low_number is not None:
        assert high_number is not None  # noqa: S101 -- `between` has both ends
        if high_number - low_number < MOST_PUBLIC_KEYS:
            keys = tuple(range(int(low_number), int(high_number) + 1))
    return Typed(
        exp.Null(),
        p.type,
        scale=p.decimals if p.type is Kind.DECIMAL else 0,
        width=p.digits if p.type is Kind.DECIMAL else 0,
        low=low_number,
        high=high_number,
        bounded=False,
        keys=keys,
        nullable=p.nullable or p.shown_as is not None,
        links=links if p.shown_as is None else frozenset(),
        unit_level=unit_level,
        span=span,
    )


def protected_table(
    dataset: str,
    table: str,
    policy: TablePolicy,
    links: Mapping[str, frozenset[str]],
    wanted: frozenset[str],
) -> Rows:
    """The base relation of a protected table with the `wanted` columns (true names).

    Raises:
        SandboxError: `bounds-missing` when the policy lacks its unit or bounds (fail closed, I-6).

    """
    if policy.unit is None or policy.bounds is None:
        raise SandboxError(
            ErrorCode.BOUNDS_MISSING,
            f"The policy of {dataset}.{table} states no privacy unit or contribution bounds.",
            "Ask a steward to add `unit` and `bounds`.",
        )
    most = policy.bounds.rows_per_unit
    groups = min(most, policy.bounds.groups_per_unit or most)
    in_group = min(most, policy.bounds.rows_per_group or most)
    found = policy.bounds.totals == "found_privately"
    bound = Contribution(most, groups, in_group, most == 1, most, most, found)
    tests = [condition(r, policy.columns[r.column]) for r in policy.rows]
    tests.append(exp.LT(this=column(RANK_COLUMN), expression=exp.Literal.number(most)))
    tree = _base(dataset, table, policy, wanted, tests)
    tree.select(aliased(column(UNIT_COLUMN), UNIT_COLUMN), copy=False)
    columns = {
        name.lower(): facts(policy.columns[name], links.get(name.lower(), frozenset()), unit_level=most == 1)
        for name in wanted
    }
    return Rows(tree, columns, policy.unit.name, bound)


def open_table(
    dataset: str, table: str, policy: TablePolicy, wanted: frozenset[str]
) -> tuple[exp.Select, Mapping[str, Typed]]:
    """An open table behind its masks and row filters, and the facts of its columns."""
    tests = [condition(r, policy.columns[r.column]) for r in policy.rows]
    typed = {name.lower(): facts(policy.columns[name], frozenset(), unit_level=False) for name in wanted}
    return _base(dataset, table, policy, wanted, tests), typed


def _base(
    dataset: str, table: str, policy: TablePolicy, wanted: frozenset[str], tests: list[exp.Expr]
) -> exp.Select:
    outputs: list[exp.Expr] = [
        aliased(shown(name, policy.columns[name]), name.lower())
        for name in sorted(wanted)
        if policy.columns[name].use > Use.HIDDEN
    ]
    tree = exp.Select(expressions=outputs).from_(relation_name(dataset, table), copy=False)
    return tree.where(*tests, copy=False) if tests else tree
