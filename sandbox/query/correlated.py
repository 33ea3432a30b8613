"""Correlated subqueries unnested: each becomes a join that every other step knows, or is refused.

    EXISTS (SELECT … FROM v WHERE v.a = p.b AND …)      ->  (p.b IN (SELECT v.a FROM v WHERE …)) IS TRUE
    p SEMI JOIN v ON v.a = p.b AND …                    ->  the same; ANTI JOIN: with NOT
    (SELECT f(AGG(x)) FROM v WHERE v.a = p.b AND …)     ->  f(s.a0), LEFT JOIN (SELECT v.a AS k, AGG(x) AS a0
                                                            FROM v WHERE … GROUP BY v.a) AS s ON s.k = p.b
    (SELECT x FROM v WHERE v.a = p.b AND …)             ->  r.a0, LEFT JOIN (SELECT v.a AS k, x AS a0
                                                            FROM v WHERE …) AS r ON r.k = p.b
Rules
- Equalities of a column of the subquery and one of the SELECT around it; nothing else may cross over. EXISTS
  with several is (SELECT COUNT(*) …) > 0.
- A row that is looked up without an aggregate is the only one: its key is declared unique, or its unit has
  no other.
- COUNT of nothing is 0, which an outer join would make NULL: COALESCE says so.
- Which columns those may be is for the later steps to say: the privacy unit's, or an open table's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.places import place_of, span_of
from sandbox.query.relations import Open, Public, Rows, Unique
from sandbox.query.vocabulary import AGGREGATES, conjuncts, has_aggregate, sources_of

_SHAPED = ("group", "having", "qualify", "limit", "offset", "with_")
_JOINED = ("expressions", "where", "group")
_AGGREGATED, _FOUND = "__s", "__r"


def unnest(tree: exp.Select, sql: str) -> None:
    """Unnest every correlated subquery of a qualified tree. Changes `tree`.

    Raises:
        SandboxError: `sql-unsupported`, with the place of what crosses over.

    """
    for select in reversed(list(tree.find_all(exp.Select))):  # what is inside comes first
        _semi_joins(select)
        for node in list(_own(select)):
            if isinstance(node, exp.Exists):
                node.replace(_membership(node, select, sql))
        found: dict[exp.Expr, str] = {}
        for node in list(_own(select)):
            if isinstance(node, exp.Subquery) and not isinstance(node.parent, exp.From | exp.Join | exp.In):
                _value(node, select, found, sql)


def _own(select: exp.Select) -> Iterator[exp.Expr]:
    """Nodes of `select` down to the SELECTs inside it, and those that hold them."""
    for node in select.walk(prune=lambda n: isinstance(n, exp.Select) and n is not select):
        if node is not select:
            yield node


def _semi_joins(select: exp.Select) -> None:
    for join in list(select.args.get("joins") or ()):
        kind, on = (join.args.get("kind") or "").upper(), join.args.get("on")
        if kind not in ("SEMI", "ANTI") or join.args.get("side") or on is None:
            continue
        inner = exp.Select(expressions=[exp.Literal.number(1)]).from_(join.this.copy(), copy=False)
        inner.where(on.copy(), copy=False)
        test: exp.Expr = exp.Exists(this=inner)
        select.args["joins"].remove(join)
        select.where(exp.Not(this=test) if kind == "ANTI" else test, copy=False)


def _membership(node: exp.Exists, select: exp.Select, sql: str) -> exp.Expr:
    """EXISTS as a test of membership that is never NULL."""
    inner = node.this
    if not isinstance(inner, exp.Select) or _shaped(inner):
        raise _refused(node, sql)
    pairs = _equalities(inner, select, node, sql)
    if len(pairs) > 1:
        for mine, theirs in pairs:
            inner.where(exp.EQ(this=theirs, expression=mine), copy=False)
        inner.set("expressions", [exp.alias_(exp.Count(this=exp.Star()), "n", quoted=True)])
        some = exp.GT(this=exp.Subquery(this=inner), expression=exp.Literal.number(0))
        return exp.Paren(this=some)
    ((mine, theirs),) = pairs
    inner.set("expressions", [exp.alias_(theirs, "k", quoted=True)])
    member = exp.In(this=mine, query=exp.Subquery(this=inner))
    return exp.Paren(this=exp.Is(this=exp.Paren(this=member), expression=exp.Boolean(this=True)))


def _value(node: exp.Subquery, select: exp.Select, found: dict[exp.Expr, str], sql: str) -> None:
    """A SELECT in the place of a value, joined instead where it is correlated."""
    inner = node.this
    if not isinstance(inner, exp.Select) or next(_foreign(inner), None) is None:
        return
    part: exp.Expr = node
    while part.parent is not select and part.parent is not None:
        part = part.parent
    if _shaped(inner, aggregates=True) or part.arg_key not in _JOINED or len(inner.selects) != 1:
        raise _refused(node, sql)
    output = inner.selects[0].unalias()
    alias = found.get(inner)
    if not has_aggregate(output):
        place = span_of(node)
        alias = alias or f"{_FOUND}{_number(select)}"
        if inner not in found:
            found[inner.copy()] = alias
            _join(inner, select, [output], alias, _equalities(inner, select, node, sql))
        node.replace(_column("a0", alias, place))
        return
    outside = exp.Paren(this=output.copy())
    calls: list[exp.Expr] = []
    for call in [c for c in outside.walk(prune=_is_call) if _is_call(c)]:
        known = next((i for i, c in enumerate(calls) if c == call), len(calls))
        if known == len(calls):
            calls.append(call.copy())
        call.replace(_joined(call, alias or f"{_AGGREGATED}{_number(select)}", f"a{known}"))
    if any(not c.table.startswith(_AGGREGATED) for c in outside.find_all(exp.Column)):
        raise _refused(node, sql)
    if alias is None:
        found[inner.copy()] = alias = f"{_AGGREGATED}{_number(select)}"
        pairs = _equalities(inner, select, node, sql)
        inner.set("group", exp.Group(expressions=[theirs.copy() for _, theirs in pairs]))
        _join(inner, select, calls, alias, pairs)
    node.replace(outside)


def _join(
    inner: exp.Select,
    select: exp.Select,
    values: list[exp.Expr],
    alias: str,
    pairs: list[tuple[exp.Column, exp.Column]],
) -> None:
    """LEFT JOIN `inner`, with the values as its outputs, to `select` on the equalities."""
    keys = ["k", *(f"k{i}" for i in range(1, len(pairs)))]
    outputs = [exp.alias_(theirs, key, quoted=True) for key, (_, theirs) in zip(keys, pairs, strict=True)]
    outputs += [exp.alias_(value.copy(), f"a{i}", quoted=True) for i, value in enumerate(values)]
    inner.set("expressions", outputs)
    name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    on = exp.and_(
        *(
            exp.EQ(this=_column(key, alias), expression=mine)
            for key, (mine, _) in zip(keys, pairs, strict=True)
        )
    )
    join = exp.Join(this=exp.Subquery(this=inner, alias=name), side="LEFT", on=on)
    select.set("joins", [*(select.args.get("joins") or ()), join])


def finds_a_row(alias: str) -> bool:
    """Whether a source is a SELECT in the place of a value that aggregates nothing."""
    return alias.startswith(_FOUND)


def found_by_key(select: exp.Select, sources: Mapping[str, Rows | Public]) -> dict[str, Unique]:
    """By alias of each row looked up in open tables, above the boundary: what makes it the only one."""
    found: dict[str, Unique] = {}
    for join in select.args.get("joins") or ():
        alias = join.this.alias_or_name
        source = sources[alias]
        if not finds_a_row(alias) or not isinstance(source, Open):
            continue
        compared = {c.name for c in join.args["on"].find_all(exp.Column) if c.table == alias}
        unique = next((u for u in source.unique if u.columns <= compared), None)
        if unique is not None:
            found[alias] = unique
    return found


def check_rows_found(
    select: exp.Select, sources: Mapping[str, Rows | Public], keys: Collection[str], sql: str
) -> None:
    """That each row looked up is the only one; `keys`: the sources of which a row meets one row at most.

    Raises:
        SandboxError: `sql-unsupported`.

    """
    for join in select.args.get("joins") or ():
        alias = join.this.alias_or_name
        source = sources[alias]
        once = isinstance(source, Rows) and source.bound.once
        if finds_a_row(alias) and alias not in keys and not once:
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                "This SELECT in the place of a value may find several rows.",
                "Aggregate in it: (SELECT MAX(x) FROM …); or compare all columns of a key that the policy of "
                "an open table declares (checks: unique).",
                place=place_of(join, sql),
            )


def _number(select: exp.Select) -> int:
    return len(select.args.get("joins") or ())


def _is_call(node: exp.Expr) -> bool:
    return type(node) in AGGREGATES or isinstance(node, exp.Filter)


def _joined(call: exp.Expr, alias: str, name: str) -> exp.Expr:
    value = _column(name, alias)
    counted = call.this if isinstance(call, exp.Filter) else call
    if isinstance(counted, exp.Count | exp.CountIf):
        return exp.Coalesce(this=value, expressions=[exp.Literal.number(0)])
    return value


def _column(name: str, table: str, place: Mapping[str, int] | None = None) -> exp.Column:
    """A column of what is joined; `place`: that of what it stands for in the question's text."""
    own = exp.to_identifier(name, quoted=True)
    if place:
        own.update_positions(start=place["start"], end=place["end"])
    return exp.Column(this=own, table=exp.to_identifier(table, quoted=True))


def _shaped(inner: exp.Select, *, aggregates: bool = False) -> bool:
    """Whether it does more than filter (or, with `aggregates`, more than aggregate all that it keeps)."""
    if any(inner.args.get(part) for part in _SHAPED) or inner.args.get("from_") is None:
        return True
    return not aggregates and any(has_aggregate(p) for p in inner.selects)


def _foreign(inner: exp.Select) -> Iterator[exp.Column]:
    """Columns inside that belong to a SELECT around `inner`."""
    for column in inner.find_all(exp.Column):
        around: exp.Expr | None = column
        while around is not None and around is not inner.parent:
            if isinstance(around, exp.Select) and column.table in {
                s.alias_or_name for s in sources_of(around)
            }:
                break
            around = around.parent
        else:
            yield column


def _equalities(
    inner: exp.Select, select: exp.Select, node: exp.Expr, sql: str
) -> list[tuple[exp.Column, exp.Column]]:
    """The equalities that cross over, taken out of `inner`: of each the outer column, and the inner one."""
    where = inner.args.get("where")
    parts = list(conjuncts(where.this)) if where is not None else []
    outer = {s.alias_or_name for s in sources_of(select)}
    own = {s.alias_or_name for s in sources_of(inner)}
    crossing = []
    rest = []
    for part in parts:
        pair = _pair(part, outer, own)
        if pair is not None:
            crossing.append(pair)
        else:
            rest.append(part.copy())
    if not crossing:
        raise _refused(node, sql)
    inner.set("where", None)
    if rest:
        inner.where(*rest, copy=False)
    strange = next(_foreign(inner), None)
    if strange is not None:
        raise _refused(strange, sql)
    return crossing


def _pair(part: exp.Expr, outer: set[str], own: set[str]) -> tuple[exp.Column, exp.Column] | None:
    if not isinstance(part, exp.EQ):
        return None
    a, b = part.left.unnest(), part.right.unnest()
    if not (isinstance(a, exp.Column) and isinstance(b, exp.Column)):
        return None
    if a.table in own and b.table in outer - own:
        a, b = b, a
    return (a.copy(), b.copy()) if a.table in outer - own and b.table in own else None


def _refused(node: exp.Expr, sql: str) -> SandboxError:
    if isinstance(node, exp.Column):
        return SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{node.name[:80]} belongs to an outer SELECT.",
            "Equalities may cross over: WHERE v.id = p.id; for anything else join the two in FROM.",
            place=place_of(node, sql),
        )
    return SandboxError(
        ErrorCode.SQL_UNSUPPORTED,
        "This subquery cannot be turned into a join.",
        "Filter in it, or aggregate all it keeps, with an equality to what is around it: v.id = p.id.",
        place=place_of(node, sql),
    )
