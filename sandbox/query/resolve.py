"""Step 2, resolve: names to the columns that the grant's policies show.

Rules
- A table is `dataset.table`, or `table` where only one dataset of the grant has it.
- Hidden columns do not exist here: a hidden column and a misspelt one give the same refusal.
- A CTE may not bear the name of a table that the question could mean.
- `SELECT DISTINCT a, b` is `SELECT a, b … GROUP BY a, b`; `GROUP BY ALL` names its keys.
- Columns of a set operation meet by position and bear the names of its first SELECT.
- No two tables of one FROM, and no two columns of one SELECT, bear the same name.
- Each use of a protected column is collected with how it is used (`usages.py`), for the decision.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.decide import Usage
from sandbox.policy.types import Kind, Policy, TablePolicy, Use
from sandbox.query.correlated import unnest
from sandbox.query.growth import check_aliases
from sandbox.query.joins import settle_joins
from sandbox.query.parse import DIALECT, Parsed, check_size, place_of
from sandbox.query.places import placed
from sandbox.query.sets import branches, first_select
from sandbox.query.usages import TableKey, collect
from sandbox.query.vocabulary import has_aggregate, sources_of, spoken_name
from sandbox.query.windows import expand_named

_SQL_TYPES = {
    Kind.INTEGER: "BIGINT", Kind.DECIMAL: "DECIMAL(18, 3)", Kind.DOUBLE: "DOUBLE", Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE", Kind.TIMESTAMP: "TIMESTAMP", Kind.TEXT: "VARCHAR",
}  # fmt: skip
_RESERVED = "__"
_FAULT = re.compile(
    r"Column '\"?(.+?)\"?' could not|(?:Unknown \w+(?: \w+)?|automatically join): \"?(.+?)\"?$", re.M
)


@dataclass(frozen=True, slots=True)
class Visible:
    """What the question may name: (dataset, table) in lower case to policies and true names."""

    tables: Mapping[TableKey, TablePolicy]
    datasets: Mapping[str, Policy]

    def true_column(self, key: TableKey, lowered: str) -> str:
        """The column's name as the policy writes it; SQL names are case-insensitive."""
        for name in self.tables[key].columns:
            if name.lower() == lowered:
                return name
        raise KeyError(lowered)

    def true_table(self, key: TableKey) -> tuple[str, str]:
        """(dataset, table) as the policy writes them."""
        policy = self.datasets[key[0]]
        return policy.dataset, next(t for t in policy.tables if t.lower() == key[1])


@dataclass(frozen=True, slots=True)
class Resolved:
    """The question with every name resolved.

    `output` are the names of the answer's columns, in order, as the question wrote them.
    """

    parsed: Parsed
    tree: exp.Select
    visible: Visible
    usages: tuple[Usage, ...]
    output: tuple[str, ...]


def visible(policies: Mapping[str, Policy]) -> Visible:
    """The tables of these datasets' policies."""
    tables = {(d.lower(), t.lower()): table for d, p in policies.items() for t, table in p.tables.items()}
    return Visible(tables, {d.lower(): p for d, p in policies.items()})


def resolve(parsed: Parsed, shown: Visible) -> Resolved:
    """Names to columns.

    Raises:
        SandboxError: `sql-name-unknown`, `sql-name-ambiguous`, `sql-unsupported`, `sql-too-large`.

    """
    with placed(parsed.sql):
        return _resolved(parsed, shown)


def _resolved(parsed: Parsed, shown: Visible) -> Resolved:
    tree = parsed.tree.copy()
    expand_named(tree)
    _refuse_reserved(tree, parsed.sql)
    _name_tables(tree, shown, parsed.sql)
    _refuse_twin_tables(tree, parsed.sql)
    written: dict[str, str] = {}
    for holder in list(tree.find_all(exp.SetOperation)):
        if isinstance(holder.parent, exp.Subquery):
            written |= _name_outputs(first_select(holder))
    written |= _name_outputs(tree)
    _expand_distinct(tree, parsed.sql)
    check_aliases(tree)
    try:
        qualified = qualify(tree, schema=_schema(shown), dialect=DIALECT, validate_qualify_columns=True)
    except (SqlglotError, RecursionError) as error:
        raise _unknown_name(error, parsed, shown) from None
    if not isinstance(qualified, exp.Select):
        raise SandboxError(ErrorCode.SQL_UNSUPPORTED, "A question is one SELECT.", "Write SELECT … FROM ….")
    _name_sides(qualified, parsed.sql)
    settle_joins(qualified)
    unnest(qualified, parsed.sql)
    check_size(qualified)
    _refuse_twin_columns(qualified, parsed.sql)
    _refuse_correlation(qualified, parsed.sql)
    usages = collect(qualified, shown.tables, parsed.sql)
    named = tuple(
        Usage(
            *shown.true_table(u.table),
            shown.true_column(u.table, u.column) if u.column else None,
            u.use,
            u.where,
        )
        for u in usages
    )
    output = tuple(written.get(s.alias_or_name, s.alias_or_name) for s in qualified.selects)
    return Resolved(parsed, qualified, shown, named, output)


def _schema(shown: Visible) -> MappingSchema:
    nested: dict[str, object] = {}
    by_dataset: dict[str, dict[str, dict[str, str]]] = {}
    for (dataset, table), policy in shown.tables.items():
        columns = {n: _SQL_TYPES[c.type] for n, c in policy.columns.items() if c.use > Use.HIDDEN}
        by_dataset.setdefault(dataset, {})[table] = columns
    nested.update(by_dataset)
    return MappingSchema(nested, dialect=DIALECT)


def _refuse_reserved(tree: exp.Expr, sql: str) -> None:
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.name.strip():
            raise SandboxError(
                ErrorCode.SQL_NAME_UNKNOWN,
                "A name is empty.",
                "Choose a name.",
                place=place_of(identifier, sql),
            )
        if identifier.name.startswith(_RESERVED):
            raise SandboxError(
                ErrorCode.SQL_NAME_UNKNOWN,
                f"Names that begin with {_RESERVED} are the sandbox's own.",
                "Choose another name.",
                place=place_of(identifier, sql),
            )


def _name_tables(tree: exp.Expr, shown: Visible, sql: str) -> None:
    """Give every table its dataset; leave CTE names alone."""
    tables = {t for _, t in shown.tables}
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for cte in tree.find_all(exp.CTE):
        if cte.alias.lower() in tables:
            raise SandboxError(
                ErrorCode.SQL_NAME_AMBIGUOUS,
                f"The CTE {cte.alias} bears the name of a table.",
                "Give the CTE another name.",
                place=place_of(cte.args["alias"], sql),
            )
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier):
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                "FROM takes tables, CTEs and subqueries, not functions.",
                "Name a table: dataset.table.",
                place=place_of(table, sql),
            )
        name, dataset = table.name.lower(), table.db.lower()
        if not dataset and name in ctes:
            continue
        homes = [d for d, t in shown.tables if t == name and dataset in ("", d)]
        if len(homes) > 1:
            raise SandboxError(
                ErrorCode.SQL_NAME_AMBIGUOUS,
                f"{table.name} is in several datasets: {', '.join(sorted(homes))}.",
                "Write dataset.table.",
                place=place_of(table, sql),
            )
        if not homes:
            known = sorted(f"{d}.{t}" for d, t in shown.tables)
            raise SandboxError(
                ErrorCode.SQL_NAME_UNKNOWN,
                f"There is no table {table.name[:80]} that the grant covers.",
                _did_you_mean(name, [t for _, t in shown.tables]) or f"The grant covers: {', '.join(known)}.",
                place=place_of(table, sql),
            )
        table.set("db", exp.to_identifier(homes[0]))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=table.this.copy()))


def _refuse_twin_tables(tree: exp.Expr, sql: str) -> None:
    for select in tree.find_all(exp.Select):
        seen: set[str] = set()
        for source in sources_of(select):
            name = source.alias_or_name.lower()
            if name and name in seen:
                raise SandboxError(
                    ErrorCode.SQL_NAME_AMBIGUOUS,
                    f"Two tables of one FROM bear the name {name[:80]}.",
                    "Give each a name of its own: FROM people AS a JOIN people AS b.",
                    place=place_of(source, sql),
                )
            seen.add(name)


def _refuse_twin_columns(tree: exp.Expr, sql: str) -> None:
    for select in tree.find_all(exp.Select):
        seen: set[str] = set()
        for item in select.selects:
            if item.alias_or_name in seen:
                raise SandboxError(
                    ErrorCode.SQL_NAME_AMBIGUOUS,
                    f"Two columns of one SELECT bear the name {item.alias_or_name[:80]}.",
                    "Give each a name of its own: SELECT a.x AS x, b.x AS y.",
                    place=place_of(item, sql),
                )
            seen.add(item.alias_or_name)


def _name_sides(tree: exp.Expr, sql: str) -> None:
    """Give the columns of every side of a set operation the names of the first."""
    for node in tree.find_all(exp.SetOperation):
        if isinstance(node.parent, exp.SetOperation):
            continue
        first, *others = branches(node)
        names = [item.alias_or_name for item in first.selects]
        for other in others:
            if len(other.selects) != len(names):
                widths = f"{len(names)} and {len(other.selects)}"
                raise SandboxError(
                    ErrorCode.SQL_TYPE,
                    f"The sides of the {spoken_name(node)} have {widths} columns.",
                    "Give each side the same number of columns: SELECT a, NULL AS b ….",
                    place=place_of(other.selects[-1], sql),
                )
            for item, name in zip(list(other.selects), names, strict=True):
                item.replace(exp.alias_(item.unalias().copy(), exp.to_identifier(name, quoted=True)))


def _refuse_correlation(tree: exp.Expr, sql: str) -> None:
    """A column belongs to a table of its own SELECT: one of an outer SELECT would flow past the decision."""
    for column in tree.find_all(exp.Column):
        select = column.parent_select
        if not column.table or not isinstance(select, exp.Select):
            continue
        if column.table not in {s.alias_or_name for s in sources_of(select)}:
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{column.name[:80]} belongs to an outer SELECT.",
                "Join the two in FROM; or aggregate in the subquery, with one equality: WHERE v.id = p.id.",
                place=place_of(column, sql),
            )


def _name_outputs(tree: exp.Select) -> dict[str, str]:
    """Name unnamed outputs by their own text, as DuckDB does, so that answers read well.

    Returns:
        How each name was written, by its lower case.

    """
    taken: set[str] = set()
    for i, item in enumerate(tree.expressions):
        if isinstance(item, exp.Alias | exp.Star) or (
            isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        ):
            continue
        name = item.name if isinstance(item, exp.Column) else item.sql(DIALECT).lower()[:60]
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        if not isinstance(item, exp.Column) or name != item.name:
            tree.expressions[i].replace(exp.alias_(item.copy(), exp.to_identifier(name, quoted=True)))
    return {e.alias_or_name.lower(): e.alias_or_name for e in tree.expressions}


def _expand_distinct(tree: exp.Expr, sql: str) -> None:
    for select in tree.find_all(exp.Select):
        group = select.args.get("group")
        if select.args.get("distinct"):
            if group or any(has_aggregate(e) for e in select.expressions):
                raise SandboxError(
                    ErrorCode.SQL_UNSUPPORTED,
                    "DISTINCT beside aggregates is not supported.",
                    "Drop DISTINCT.",
                    place=place_of(select, sql),
                )
            select.set("distinct", None)
            select.set("group", exp.Group(all=True))
            group = select.args["group"]
        if group is not None:
            group.set(
                "expressions", [e.unnest() if isinstance(e, exp.Paren) else e for e in group.expressions]
            )
        if group is not None and group.args.get("all"):
            keys = [e.unalias().copy() for e in select.expressions if not has_aggregate(e)]
            select.set("group", exp.Group(expressions=keys) if keys else None)


def _did_you_mean(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, [k for k in known if k != name], n=1)
    return f"Did you mean {close[0]}?" if close else ""


def _unknown_name(error: Exception, parsed: Parsed, shown: Visible) -> SandboxError:
    """One refusal for hidden, absent and misspelt columns. `error` is sqlglot's, and repeats the name."""
    found = _FAULT.search(str(error))
    name = next((g for g in found.groups() if g), "").lower() if found else ""
    place = next((place_of(i, parsed.sql) for i in _identifiers(parsed.tree) if i.name.lower() == name), None)
    named = {t.name.lower() for t in parsed.tree.find_all(exp.Table)}
    columns = {
        key: {n.lower() for n, c in table.columns.items() if c.use > Use.HIDDEN}
        for key, table in shown.tables.items()
    }
    if not name:
        what, hint = "A name could not be resolved.", "List the columns: sandbox datasets."
    elif str(error).startswith("Unknown table"):
        what, hint = (
            f"There is no table {name[:80]} in this FROM.",
            "Name tables by their alias, where they have one.",
        )
    elif name.isdecimal():
        what, hint = (
            f"The answer has no column number {name[:80]}.",
            "Columns are numbered from 1, as in: ORDER BY 2.",
        )
    elif sum(name in known for key, known in columns.items() if key[1] in named) > 1:
        return SandboxError(
            ErrorCode.SQL_NAME_AMBIGUOUS,
            f"The column {name[:80]} is in several tables.",
            "Write table.column.",
            place=place,
        )
    else:
        what = f"There is no column {name[:80]} that you may use here."
        known = sorted(set().union(*columns.values()))
        hint = _did_you_mean(name, known) or "List the columns: sandbox datasets."
    return SandboxError(ErrorCode.SQL_NAME_UNKNOWN, what, hint, place=place)


def _identifiers(tree: exp.Expr) -> Iterator[exp.Identifier]:
    """Columns first, then every other name."""
    yield from (c.this for c in tree.find_all(exp.Column) if isinstance(c.this, exp.Identifier))
    yield from tree.find_all(exp.Identifier)
