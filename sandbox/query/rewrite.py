"""Step 5, rewrite: each private boundary to one SELECT of exact, bounded integers per group.

Per unit first: `SELECT __unit, keys, COUNT(*), SUM(a0) … GROUP BY __unit, keys`; then each unit's part is
clamped, and the parts are summed per group. Files are clustered by `__unit`, so the first pass is
cheap. There is none where a unit has at most one row, or where bounds on its rows alone give no larger a
sensitivity: rows are as many as the policy bounds, and each is held within its own bounds. Where a unit may
touch more groups than its bound, it keeps those of least hash: a choice that depends on its own rows alone.

Public keys: every combination appears, with 0 where no row has it. Order never depends on rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from sandbox.catalog.model import NUMBER_COLUMN, UNIT_COLUMN
from sandbox.query.analyze import Analyzed
from sandbox.query.boundary import Boundary, Finer, Measure, Measures
from sandbox.query.buckets import PART, bucketed
from sandbox.query.cells import joined_counts, leaf_counts
from sandbox.query.growth import check_expanded
from sandbox.query.limits import kept, key_literal, least_hash, listed
from sandbox.query.meaning import meaning
from sandbox.query.post_text import PostSelect, post_select
from sandbox.query.relations import aliased, column, subquery
from sandbox.query.typed import NATIVE_WIDTH, cast, decimal_type, held, type_of
from sandbox.query.unit_bits import numbered, public_only

SATURATED = 4 * 10**18  # below 2**62: the noise room of a 64-bit whole number


@dataclass(frozen=True, slots=True)
class Exact:
    """The SELECTs of one boundary, over stored relations by their placeholder names.

    `buckets`: for each measure whose clamp is found privately, the SELECT of its parts by size.
    `ranks`: the SELECT of each tree.
    """

    boundary: Boundary
    tree: exp.Select
    buckets: tuple[tuple[str, exp.Select], ...] = ()
    ranks: tuple[exp.Select, ...] = ()

    @property
    def trees(self) -> tuple[exp.Select, ...]:
        """All of them."""
        return (self.tree, *(tree for _, tree in self.buckets), *self.ranks)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Everything that will run: nothing in it is text that a person wrote."""

    analyzed: Analyzed
    exact: tuple[Exact, ...]
    post: PostSelect
    fingerprint: str


def rewrite(analyzed: Analyzed) -> Rewritten:
    """Boundaries to SELECTs; `fingerprint` names the normalised question (the same for the same meaning)."""
    exact = tuple(
        Exact(b, bounded_select(b), _buckets(b), tuple(leaf_counts(b, t) for t in b.trees))
        for b in analyzed.boundaries
    )
    for tree in (*(t for e in exact for t in e.trees), analyzed.post):
        check_expanded(tree)
    parts = [
        "".join(meaning(t) for t in (e.tree, *e.ranks))
        + repr((e.boundary.floor, e.boundary.groups, [name for name, _ in e.buckets]))
        + repr([(t.grid, t.shape, [(p.reading, p.fraction) for p in t.points]) for t in e.boundary.trees])
        for e in exact
    ]
    parts += [meaning(o.tree) for o in analyzed.open_tables]
    parts += [repr(fold.meaning) for fold in analyzed.folds]
    numbers = {m.name for b in analyzed.boundaries for m in b.measures}
    post = post_select(analyzed.post, numbers)
    parts.append(post.meaning)
    return Rewritten(analyzed, exact, post, hashlib.sha256("\x00".join(parts).encode()).hexdigest())


def bounded_select(boundary: Boundary) -> exp.Select:
    """One row per group: keys, then the measures as BIGINT or DECIMAL, never NULL, in a public order."""
    if not boundary.keys and not boundary.measures:
        return exp.Select(expressions=[aliased(exp.Literal.number(1), "one")])
    if boundary.domain is not None and not boundary.measures:
        return _complete(boundary, {}, {})
    if boundary.finer is not None:
        return _added_up(boundary, boundary.finer)
    per_group = _per_group(boundary)
    if not boundary.keys:
        return per_group
    if boundary.domain is None:
        order = [exp.Ordered(this=column(k.name), nulls_first=False) for k in boundary.keys]
        per_group.set("order", exp.Order(expressions=order))
        return per_group
    return _complete(boundary, {"e": per_group}, {})


def _per_group(boundary: Boundary) -> exp.Select:
    """One row for each group that has one."""
    pass_of = _once if boundary.once else _by_row if boundary.by_row else _per_unit
    return pass_of(boundary)


def _added_up(boundary: Boundary, finer: Finer) -> exp.Select:
    """Sums of the groups of a finer level, beside what does not add up and is counted on this one."""
    parts = {m.name: m for m in boundary.measures}
    keys = [column(finer.keys[k.name]) for k in boundary.keys]
    outputs = [aliased(key.copy(), k.name) for key, k in zip(keys, boundary.keys, strict=True)]
    for name, of in finer.measures.items():
        outputs.append(aliased(_saturate(exp.Sum(this=column(of)), parts[name]), name))
    sums = exp.Select(expressions=outputs).from_(subquery(_per_group(finer.boundary), "f"), copy=False)
    sums = sums.group_by(*keys, copy=False) if keys else sums
    others = tuple(m for m in boundary.measures if m.name not in finer.measures)
    tables = {"e": sums}
    if others:
        tables["o"] = _per_group(replace(boundary, measures=others, finer=None))
    places = {m.name: "o" for m in others}
    if boundary.keys:
        return _complete(boundary, tables, places)
    tree = exp.Select(
        expressions=[aliased(column(m.name, places.get(m.name, "e")), m.name) for m in boundary.measures]
    ).from_(subquery(sums, "e"), copy=False)
    return tree.join(subquery(tables["o"], "o"), join_type="CROSS", copy=False) if others else tree


def _once(boundary: Boundary) -> exp.Select:
    """At most one row per unit: clamp each row's part and sum."""
    outputs = [aliased(column(k.name), k.name) for k in boundary.keys]
    for m in boundary.measures:
        if m.kind in (Measures.UNITS, Measures.ROWS):
            total: exp.Expr = exp.Count(this=exp.Star())
        elif m.kind is Measures.DISTINCT:
            total = exp.Count(this=exp.Distinct(expressions=[column(_argument(m))]))
        elif m.kind is Measures.VALUES:
            total = exp.Count(this=column(_argument(m)))
        else:
            total = exp.Sum(this=_clamped(column(_argument(m)), m))
        outputs.append(aliased(_saturate(total, m), m.name))
    tree = exp.Select(expressions=outputs).from_(subquery(boundary.rows.copy(), "r"), copy=False)
    return tree.group_by(*(column(k.name) for k in boundary.keys), copy=False)


def _by_row(boundary: Boundary) -> exp.Select:
    """One pass: every row is held within its bounds, and no unit has more rows than its bound."""
    keys = [column(k.name) for k in boundary.keys]
    outputs: list[exp.Expr] = list(keys)
    distinct = [m for m in boundary.measures if m.kind is Measures.DISTINCT]
    rows = boundary.rows.copy()
    by_number = boundary.units is not None and not boundary.selects and numbered(rows)
    for m in boundary.measures:
        match m.kind:
            case Measures.DISTINCT:
                continue
            case Measures.UNITS:
                unit = column(NUMBER_COLUMN if by_number else UNIT_COLUMN)
                total: exp.Expr = exp.Count(this=exp.Distinct(expressions=[unit]))
            case Measures.ROWS:
                total = exp.Count(this=exp.Star())
            case Measures.VALUES:
                total = exp.Count(this=column(_argument(m)))
            case Measures.SUM | Measures.AVERAGED_SUM:
                total = _summed(m, rounded=True)
        outputs.append(aliased(_saturate(total, m), m.name))
    if not outputs:
        return joined_counts(boundary, None, distinct)
    tree = exp.Select(expressions=outputs).from_(subquery(rows, "r"), copy=False)
    if by_number:
        tree.where(*public_only(boundary), copy=False)
    tree = tree.group_by(*(k.copy() for k in keys), copy=False) if keys else tree
    return joined_counts(boundary, tree, distinct) if distinct else tree


def _per_unit(boundary: Boundary) -> exp.Select:
    """Two passes: per unit and group, then per group."""
    keys = [column(k.name) for k in boundary.keys]
    first: list[exp.Expr] = [column(UNIT_COLUMN), *keys]
    summed = [m for m in boundary.measures if m.kind is not Measures.DISTINCT]
    distinct = [m for m in boundary.measures if m.kind is Measures.DISTINCT]
    for m in summed:
        if m.kind is not Measures.UNITS:
            first.append(aliased(_unit_part(m), m.name))
    units = exp.Select(expressions=first).from_(subquery(boundary.rows.copy(), "r"), copy=False)
    units.where(*listed(boundary), copy=False)
    units.group_by(column(UNIT_COLUMN), *keys, copy=False)
    if boundary.limit_groups:
        units = kept(units, exp.RowNumber(), least_hash(boundary), boundary.groups)
    second: list[exp.Expr] = list(keys)
    for m in summed:
        total: exp.Expr = exp.Count(this=exp.Star())
        if m.kind is not Measures.UNITS:
            total = exp.Sum(this=_clamped(column(m.name), m))
        second.append(aliased(_saturate(total, m), m.name))
    if not second:
        return joined_counts(boundary, None, distinct)
    tree = exp.Select(expressions=second).from_(subquery(units, "u"), copy=False)
    tree = tree.group_by(*keys, copy=False) if keys else tree
    return joined_counts(boundary, tree, distinct) if distinct else tree


def _buckets(boundary: Boundary) -> tuple[tuple[str, exp.Select], ...]:
    found = (m for m in boundary.measures if m.found)
    return tuple((m.name, bucketed(boundary, m, _parts(boundary, m))) for m in found)


def _parts(boundary: Boundary, m: Measure) -> exp.Select:
    """One row per unit and group: the keys, and the unit's part of `m`, clamped as it is declared.

    Summed also where a unit has one row at most: what is aggregated is computed once, not per comparison.
    """
    keys = [column(k.name) for k in boundary.keys]
    units = exp.Select(expressions=[column(UNIT_COLUMN), *keys, aliased(_unit_part(m), m.name)])
    units = units.from_(subquery(boundary.rows.copy(), "r"), copy=False)
    units.where(*listed(boundary), copy=False)
    units.group_by(column(UNIT_COLUMN), *(k.copy() for k in keys), copy=False)
    if boundary.limit_groups:
        units = kept(units, exp.RowNumber(), least_hash(boundary), boundary.groups)
    outputs = [*(k.copy() for k in keys), aliased(_clamped(column(m.name), m), PART)]
    return exp.Select(expressions=outputs).from_(subquery(units, "r"), copy=False)


def _complete(boundary: Boundary, tables: Mapping[str, exp.Select], places: Mapping[str, str]) -> exp.Select:
    """Every combination of public keys, in the policy's order, with 0 where no row has it.

    `tables`: by alias, groups that have a row; `places`: in which of them a measure is, if not in `e`.
    """
    assert boundary.domain is not None  # noqa: S101 -- only called for public keys
    outputs: list[exp.Expr] = []
    tree = exp.Select()
    same: dict[str, list[exp.Expr]] = {alias: [] for alias in tables}
    order: list[exp.Expr] = []
    for key, values in zip(boundary.keys, boundary.domain, strict=True):
        table = f"d_{key.name}"
        rows = [
            exp.Tuple(expressions=[exp.Literal.number(i), key_literal(v, key)]) for i, v in enumerate(values)
        ]
        names = [exp.to_identifier(n, quoted=True) for n in ("i", key.name)]
        source = exp.Values(
            expressions=rows, alias=exp.TableAlias(this=exp.to_identifier(table), columns=names)
        )
        tree = tree.join(source, join_type="CROSS", copy=False) if outputs else tree.from_(source, copy=False)
        outputs.append(aliased(column(key.name, table), key.name))
        for alias, equal in same.items():
            equal.append(exp.NullSafeEQ(this=column(key.name, table), expression=column(key.name, alias)))
        order.append(exp.Ordered(this=column("i", table), nulls_first=False))
    for m in boundary.measures:
        zero = cast(exp.Literal.number(0), column_type(m))
        value = exp.Coalesce(this=column(m.name, places.get(m.name, "e")), expressions=[zero])
        outputs.append(aliased(value, m.name))
    tree.set("expressions", outputs)
    for alias, found in tables.items():
        on = exp.and_(*same[alias])
        tree = tree.join(subquery(found, alias), on=on, join_type="LEFT", copy=False)
    tree.set("order", exp.Order(expressions=order))
    return tree


def _argument(m: Measure) -> str:
    assert m.argument is not None  # noqa: S101 -- sums and counts of values have one
    return m.argument


def column_type(m: Measure) -> exp.DataType:
    """The type of a measure's column: DECIMAL(38, scale) or BIGINT."""
    return decimal_type(38, m.scale) if m.decimal else type_of("BIGINT")


def _unit_part(m: Measure) -> exp.Expr:
    """What one unit's rows of one group add up to: BIGINT (a count), HUGEINT or DECIMAL(38, decimals)."""
    if m.kind is Measures.ROWS:
        return exp.Count(this=exp.Star())
    count = exp.Count(this=column(_argument(m)))
    if m.kind is Measures.VALUES:
        return count
    whole = _summed(m, rounded=False)
    return _scaled_down(whole, count, m) if m.kind is Measures.AVERAGED_SUM else whole


def _summed(m: Measure, *, rounded: bool) -> exp.Expr:
    """The exact sum of what the measure reads, less its middle for each value that there is.

    `rounded`: each value to the measure's units, where it has more decimals.
    """
    value: exp.Expr = column(_argument(m))
    if rounded and m.decimal and m.scale < m.decimals:
        value = cast(value, decimal_type(NATIVE_WIDTH, m.scale))
    whole: exp.Expr = exp.Sum(this=value)
    if not m.middle:
        return whole
    text = exp.Literal.string(f"{m.middle:f}")
    middle = cast(text, decimal_type(NATIVE_WIDTH, m.decimals) if m.decimal else "HUGEINT")
    count = exp.Count(this=column(_argument(m)))
    return exp.Paren(this=exp.Sub(this=whole, expression=exp.Mul(this=middle, expression=count)))


def _scaled_down(whole: exp.Expr, count: exp.Expr, m: Measure) -> exp.Expr:
    """The part of a mean. A float only scales one unit's exact sum, so order never matters."""
    most = exp.Literal.number(m.rows)
    share = exp.Div(this=cast(most, "DOUBLE"), expression=cast(count, "DOUBLE"))
    scaled = exp.Mul(this=cast(whole.copy(), "DOUBLE"), expression=exp.Paren(this=share))
    to = decimal_type(38, m.decimals) if m.decimal else type_of("HUGEINT")
    few = exp.LTE(this=count.copy(), expression=most.copy())
    return exp.Case(ifs=[exp.If(this=few, true=whole)], default=exp.TryCast(this=scaled, to=to))


def _clamped(part: exp.Expr, m: Measure) -> exp.Expr:
    """One unit's part of a group held within [low, high], in 64 bits. NULL (no value at all) stays NULL.

    CASE, because LEAST and GREATEST take three times as long, also where DuckDB knows that nothing binds.
    It is clamped with all its decimals and then rounded: the bounds are whole units, so it stays within.
    """
    decimals = m.decimals if m.decimal else 0
    scale = m.scale if m.decimal else 0
    if m.most * 10 ** (decimals - scale) >= 10**NATIVE_WIDTH:
        part, decimals = cast(part, decimal_type(38, scale)), scale
    low, high = (_constant(units * 10 ** (decimals - scale), decimals, m) for units in (m.low, m.high))
    tree: exp.Expr = exp.Case(
        ifs=[
            exp.If(this=exp.LT(this=part.copy(), expression=low.copy()), true=low),
            exp.If(this=exp.GT(this=part.copy(), expression=high.copy()), true=high),
        ],
        default=part,
    )
    if not m.decimal:
        return cast(tree, "BIGINT")
    tree = cast(tree, decimal_type(NATIVE_WIDTH, decimals))
    return tree if decimals == scale else cast(tree, decimal_type(NATIVE_WIDTH, scale))


def _constant(units: int, decimals: int, m: Measure) -> exp.Expr:
    text = exp.Literal.string(exp_scaled(units, decimals))
    return cast(text, decimal_type(NATIVE_WIDTH, decimals) if m.decimal else "BIGINT")


def _bound(units: int, m: Measure) -> exp.Expr:
    text = f"{exp_scaled(units, m.scale if m.decimal else 0)}"
    return cast(exp.Literal.string(text), decimal_type(38, m.scale) if m.decimal else "HUGEINT")


def exp_scaled(units: int, scale: int) -> str:
    """`units` x 10**-scale as plain decimal text."""
    digits = str(abs(units)).rjust(scale + 1, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def _saturate(total: exp.Expr, m: Measure) -> exp.Expr:
    """A group's total as the measure's type, held within ±4e18 units: 1-Lipschitz, so sensitivity stays."""
    if m.kind is Measures.UNITS:
        return total
    known = exp.Coalesce(this=total, expressions=[_bound(0, m)])
    return cast(held(known, _bound(-SATURATED, m), _bound(SATURATED, m)), column_type(m))
