"""Open tables below the private boundary: what a protected row may look up in them.

    x IN (SELECT k FROM open …), NOT IN, EXISTS (SELECT … FROM open WHERE open.k = p.x)
    (SELECT v FROM open WHERE open.k = p.x), k declared unique; (SELECT MAX(v) FROM open …)
    JOIN (SELECT k, v FROM open …) AS o ON o.k = p.x

Rules
- A SELECT over open tables alone reads no protected row: what it gives is the same on neighbouring data, and
  what a row makes of it depends on that row. So it moves nothing that the row itself would not.
- It is total, as everything below the boundary is: its expressions are lowered by the same rules, and a
  SELECT in the place of a value has one row at most.
- Nor may it depend on the order in which an engine meets rows: sums and means are of exact numbers, and
  windows, LIMIT and set operations stay above the boundary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.expressions import Lowering, Nested
from sandbox.query.inner_groups import INNER, InnerGroups
from sandbox.query.narrowed import of_remaining
from sandbox.query.open_keys import keys_met
from sandbox.query.parse import place_of
from sandbox.query.relations import Open, OpenKey, Public, Unique, aliased, as_source, column
from sandbox.query.typed import NATIVE_WIDTH, Typed, type_of
from sandbox.query.vocabulary import has_aggregate, spoken_name


def readable(
    select: exp.Select, sources: Mapping[str, Public], public: Public, sql: str, nested: Nested
) -> Public:
    """`public`, which is `select` as post-processing, in a form that protected rows may look up.

    Where there is none it keeps the reason, for the refusal of a question that needs one.
    """
    opened = {alias: s for alias, s in sources.items() if isinstance(s, Open)}
    if len(opened) < len(sources) or not sources:
        return replace(public, why=next((s.why for s in sources.values() if s.why is not None), None))
    try:
        return _lowered(select, opened, public, sql, nested)
    except SandboxError as why:
        return replace(public, why=why)


def _lowered(
    select: exp.Select, sources: Mapping[str, Open], public: Public, sql: str, nested: Nested
) -> Open:
    left = _left_joined(select, sql)

    def lookup(node: exp.Column) -> Typed:
        found = sources[node.table].typed[node.name.lower()].at(column(node.name, node.table))
        return replace(found, nullable=True) if node.table in left else found

    for part in ("qualify", "limit", "offset"):
        if select.args.get(part) is not None:
            raise _above(select.args[part], part.upper(), sql)
    filtering = Lowering(lookup, sql, nested)
    lowering = of_remaining(select.args.get("where"), filtering)
    first = next(iter(sources))
    keys = keys_met(select, sources, left, lookup, frozenset({first}))
    spread = sum(s.spread for alias, s in sources.items() if alias not in keys)
    outputs = {p.alias_or_name: p.unalias() for p in select.selects}
    group = select.args.get("group")
    aggregated = any(has_aggregate(value) for value in outputs.values())
    if group is not None or select.args.get("having") is not None or aggregated:
        tree, typed, unique = _grouped(select, outputs, sources, (filtering, lowering))
    else:
        typed = {name: lowering.output(value) for name, value in outputs.items()}
        tree = _from(select, sources, filtering, [aliased(t.sql.copy(), n) for n, t in typed.items()])
        unique = ()
        if len(keys) == len(sources) - 1:  # no more rows than the first source has
            relied = frozenset(key for met in keys.values() for key in met.keys)
            unique = _kept(outputs, first, sources[first].unique, relied)
    return Open(
        public.tree,
        public.columns,
        stored=tree,
        typed=typed,
        unique=unique,
        spread=spread,
        single=group is None and aggregated,
    )


def _kept(
    outputs: Mapping[str, exp.Expr], first: str, unique: tuple[Unique, ...], relied: frozenset[OpenKey]
) -> tuple[Unique, ...]:
    """Keys of the first source all of whose columns are outputs as they stand."""
    names = {v.name.lower(): n for n, v in outputs.items() if isinstance(v, exp.Column) and v.table == first}
    return tuple(
        Unique(frozenset(names[c] for c in one.columns), one.keys | relied)
        for one in unique
        if one.columns <= names.keys()
    )


def _grouped(
    select: exp.Select,
    outputs: Mapping[str, exp.Expr],
    sources: Mapping[str, Open],
    lowerings: tuple[Lowering, Lowering],
) -> tuple[exp.Select, dict[str, Typed], tuple[Unique, ...]]:
    """Groups of open rows, and what is made of them; the keys together are unique."""
    filtering, lowering = lowerings
    group = select.args.get("group")
    nodes = list(group.expressions) if group is not None else []
    if group is not None and any(group.args.get(part) for part in ("rollup", "cube", "grouping_sets")):
        raise _above(group, "ROLLUP, CUBE and GROUPING SETS", lowering.sql)
    groups = InnerGroups(nodes, lowering, lambda node, test: _aggregate(node, test, lowering))
    for node in nodes:
        typed = lowering.lower(node)
        groups.key(typed, typed.sql)
    placed = {name: groups.place(value) for name, value in outputs.items()}
    having = groups.place(select.args["having"].this) if select.args.get("having") is not None else None
    outside = groups.outside(unit_level=False)
    typed_outputs = {name: outside.lower(node) for name, node in placed.items()}
    inner = _from(select, sources, filtering, groups.inner)
    if nodes:
        inner = inner.group_by(*(exp.Literal.number(i + 1) for i in range(len(nodes))), copy=False)
    named = [aliased(t.sql.copy(), n) for n, t in typed_outputs.items()]
    tree = exp.Select(expressions=named).from_(as_source(inner, INNER), copy=False)
    if having is not None:
        tree = tree.where(outside.boolean(having).sql.copy(), copy=False)
    at = {v.name: n for n, v in placed.items() if isinstance(v, exp.Column)}
    whole = [f"k{i}" for i in range(len(nodes))]
    unique = (Unique(frozenset(at[k] for k in whole)),) if nodes and all(k in at for k in whole) else ()
    return tree, typed_outputs, unique


def _aggregate(node: exp.Expr, test: Typed | None, lowering: Lowering) -> tuple[exp.Expr, Typed]:
    """COUNT, MIN, MAX, and SUM and AVG of exact numbers: the same in whatever order rows come."""
    distinct = isinstance(node.this, exp.Distinct)
    argument = node.this.expressions[0] if distinct else node.this
    counts = isinstance(node, exp.Count)
    if not isinstance(node, exp.Count | exp.Min | exp.Max | exp.Sum | exp.Avg) or (
        distinct and (not counts or len(node.this.expressions) != 1)
    ):
        raise _above(node, spoken_name(node), lowering.sql)
    if counts and isinstance(argument, exp.Star):
        known = Typed(exp.Literal.number(1), None)
    else:
        known = lowering.lower(argument)
    value = known.sql if test is None else exp.Case(ifs=[exp.If(this=test.sql.copy(), true=known.sql.copy())])
    if counts:
        inside = exp.Distinct(expressions=[value]) if distinct else value
        return exp.Count(this=inside), Typed(exp.Null(), Kind.INTEGER, low=Decimal(0), nullable=False)
    if isinstance(node, exp.Min | exp.Max):
        facts = replace(known, nullable=True, links=frozenset(), ordinal=False, keys=None, bounded=False)
        return type(node)(this=value), facts
    if not known.exact or known.width > NATIVE_WIDTH:
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            f"{spoken_name(node)} in a lookup needs a whole number or a decimal of {NATIVE_WIDTH} digits.",
            "Use MIN or MAX; or join the open table to the answer, above the aggregation.",
            place=place_of(node, lowering.sql),
        )
    if isinstance(node, exp.Avg):
        return exp.Avg(this=value), Typed(
            exp.Null(), Kind.DOUBLE, low=known.low, high=known.high, bounded=False
        )
    if known.kind is Kind.INTEGER:
        return exp.TryCast(this=exp.Sum(this=value), to=type_of("BIGINT")), Typed(exp.Null(), Kind.INTEGER)
    return exp.Sum(this=value), Typed(exp.Null(), Kind.DECIMAL, scale=known.scale, width=38)


def _from(
    select: exp.Select, sources: Mapping[str, Open], lowering: Lowering, outputs: list[exp.Expr]
) -> exp.Select:
    """SELECT outputs FROM what is stored, as the question joins and filters it."""
    joins = {j.this.alias_or_name: j for j in select.args.get("joins") or ()}
    result = exp.Select(expressions=outputs)
    for i, (alias, source) in enumerate(sources.items()):
        if i == 0:
            result = result.from_(as_source(source.stored, alias), copy=False)
            continue
        on = joins[alias].args.get("on")
        condition = lowering.boolean(on).sql.copy() if on is not None else None
        kind = "CROSS" if condition is None else (joins[alias].args.get("side") or "INNER")
        result = result.join(as_source(source.stored, alias), on=condition, join_type=kind, copy=False)
    where = select.args.get("where")
    return result.where(lowering.boolean(where.this).sql.copy(), copy=False) if where is not None else result


def _left_joined(select: exp.Select, sql: str) -> frozenset[str]:
    left = set()
    for join in select.args.get("joins") or ():
        side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "").upper()
        if side == "LEFT":
            left.add(join.this.alias_or_name)
        if side not in ("", "LEFT") or kind not in ("", "INNER", "CROSS", "OUTER"):
            raise _above(join, f"A {side or kind} JOIN", sql)
    return frozenset(left)


def _above(node: exp.Expr, what: str, sql: str) -> SandboxError:
    return SandboxError(
        ErrorCode.SQL_UNSUPPORTED,
        f"{what} is not supported in what protected rows look up.",
        "Filter, join, group and count open tables there; anything else goes above the aggregation.",
        place=place_of(node, sql),
    )
