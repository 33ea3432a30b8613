"""Error bars of what is computed from noisy numbers: one half-width column for each output, where honest.

A column e(m_0, m_1, …) of the noisy numbers m_i with half-widths h_i gets sqrt(sum_i d_i**2), d_i the larger
of |e(… m_i + h_i …) - e(…)| and |e(…) - e(… m_i - h_i …)|, rounding left aside: it covers what h_i covers
where e is monotone in one noisy number, and is the first-order propagation (JCGM 100:2008, section 5.1.3)
of several. It reads released numbers only.

Windows over noisy numbers stand for numbers of their own, if neither their rows nor their order are noisy:
- SUM(e) OVER w has sqrt(sum over the frame of h(e)**2): the noise of different groups is independent;
  AVG(e) that divided by the numbers in the frame. LAG, LEAD, FIRST_VALUE, … have the other row's h(e).
- Numbers with noise in common (n / SUM(n) OVER ()) add up as they are, not in squares: an upper bound.
- Extremes and ranks have none: which row is the largest is itself chosen by noise.
- Every count in a cell of HISTOGRAM has the same one, so it is the cell's; MODE has none.

Joined answers (`joined_widths.py`) have the half-widths of their sides. A day or time has one in days; days
between two noisy ones have the sum of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from sandbox.query.boundary import Boundary
from sandbox.query.histograms import Fold, Reading
from sandbox.query.joined_widths import (
    ERROR_PREFIX,
    Number,
    Numbers,
    Vectors,
    WithErrors,
    aggregates,
    joined,
    leave_out_unread,
)
from sandbox.query.kept_parts import replaced
from sandbox.query.public import is_double, total
from sandbox.query.relations import aliased, column
from sandbox.query.typed import cast, type_of
from sandbox.query.vocabulary import AGGREGATES

HALF_WIDTH = "__w_"  # of a noisy number, the same for every row: a parameter
OWN_WIDTH = "__q_"  # of a quantile, another one for each row: a column of the noisy table
MOST_MERGED = 2_000  # nodes: names that stand for much are not written out for the sake of a half-width
_OTHER_ROW = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)


@dataclass(frozen=True, slots=True)
class _Atom:
    """A part of an expression that has noise of its own: a noisy number, or a window over some."""

    node: exp.Expr
    width: exp.Expr
    vectors: Vectors


def output_errors(tree: exp.Select, boundaries: Sequence[Boundary], folds: Sequence[Fold] = ()) -> WithErrors:
    """Add a half-width column for each output that is computed row by row from one noisy table."""
    tree = total(flattened(tree))
    names = {b.name for b in boundaries}
    if not any(t.name in names for t in tree.find_all(exp.Table)):
        return WithErrors(tree, frozenset(), {})
    together = _together(tree)
    if together is not None:
        return _errors_together(tree, together, boundaries, folds)
    boundary = _source(tree, boundaries)
    if boundary is None:
        sides = joined(tree, lambda side: output_errors(side, boundaries, folds))
        if sides is None:
            return WithErrors(tree, frozenset(range(len(tree.selects))), {})
        found = _with_widths(tree, sides)
        leave_out_unread(found.tree)
        return found
    return _with_widths(tree, _numbers_of(boundary, folds))


def _numbers_of(boundary: Boundary, folds: Sequence[Fold]) -> dict[tuple[str, str], Number]:
    """The noisy columns of a boundary's table, by table and name."""
    of = boundary.name
    found = {
        (of, m.name): Number(column(HALF_WIDTH + m.name, of), frozenset({(of, m.name)}), direct=(of, m.name))
        for m in boundary.measures
    }
    for tree in boundary.trees:  # quantiles of one value share their noise
        vectors = frozenset({(of, tree.measure.name)})
        for p in tree.points:
            moment = not p.typed.number
            found[of, p.name] = Number(column(OWN_WIDTH + p.name, of), vectors, moment, alone=moment)
    for f in folds:
        if f.table == of:
            source = (f.source, f.measure)
            all_counts = f.reading is Reading.HISTOGRAM
            width = column(HALF_WIDTH + f.measure, f.source) if all_counts else None
            direct = source if all_counts else None
            found[of, f.name] = Number(width, frozenset({source}), direct=direct, alone=True)
    return found


def _with_widths(tree: exp.Select, numbers: Numbers) -> WithErrors:
    """`tree` with the half-widths that follow from those of the `numbers` that it reads."""
    found: set[int] = set()
    alone: set[int] = set()
    moments: set[int] = set()
    direct: dict[int, tuple[str, str]] = {}
    vectors: dict[int, Vectors] = {}
    for i, projection in enumerate(list(tree.selects)):
        value = projection.unalias()
        read = [numbers[key] for c in value.find_all(exp.Column) if (key := (c.table, c.name)) in numbers]
        if not read and value.find(exp.Subquery) is None:
            continue
        found.add(i)
        if any(n.alone for n in read):
            if not isinstance(value, exp.Column):
                # What is computed from a day, a time or a map has no half-width, but for days between two.
                days = _days_between(value, numbers)
                if days is not None:
                    vectors[i] = frozenset[tuple[str, str]]().union(*(n.vectors for n in read))
                    tree.select(aliased(days, f"{ERROR_PREFIX}{i}"), copy=False)
                continue
            alone.add(i)
            if read[0].moment:
                moments.add(i)
        if isinstance(value, exp.Column) and read[0].direct is not None:
            direct[i] = read[0].direct
        width = _half_width(value, numbers)
        if width is not None:
            vectors[i] = frozenset[tuple[str, str]]().union(*(n.vectors for n in read))
            tree.select(aliased(width, f"{ERROR_PREFIX}{i}"), copy=False)
    return WithErrors(tree, frozenset(found), direct, frozenset(moments), frozenset(alone), vectors)


def _together(tree: exp.Select) -> exp.Union | None:
    """The UNION ALL of FROM, when the SELECT only names its columns."""
    source = tree.args.get("from_")
    inner = source.this.this if source is not None and isinstance(source.this, exp.Subquery) else None
    if not isinstance(inner, exp.Union) or inner.args.get("distinct") or tree.args.get("joins"):
        return None
    plain = all(isinstance(p.unalias(), exp.Column) for p in tree.selects) and not aggregates(tree)
    return inner if plain and not tree.args.get("qualify") else None


def _errors_together(
    tree: exp.Select, union: exp.Union, boundaries: Sequence[Boundary], folds: Sequence[Fold]
) -> WithErrors:
    """Half-widths of a UNION ALL: each row has those of its own side."""
    names = [p.alias_or_name for p in union.this.selects]
    sides = [output_errors(side, boundaries, folds) for side in (union.this, union.args["expression"])]
    known = sorted({w.alias for side in sides for w in side.tree.selects[len(names) :]})
    for side in sides:
        has = {w.alias: w for w in side.tree.selects[len(names) :]}
        absent = cast(exp.Null(), "DOUBLE")
        widths = [has.get(w) or exp.alias_(absent.copy(), exp.to_identifier(w, quoted=True)) for w in known]
        side.tree.set("expressions", [*side.tree.selects[: len(names)], *widths])
    union.set("this", sides[0].tree)
    union.set("expression", sides[1].tree)
    of = tree.args["from_"].this.alias_or_name
    noisy: set[int] = set()
    alone: set[int] = set()
    moments: set[int] = set()
    vectors: dict[int, Vectors] = {}
    for i, projection in enumerate(list(tree.selects)):
        at = names.index(projection.unalias().name)
        if any(at in side.noisy for side in sides):
            noisy.add(i)
        if any(at in side.alone for side in sides):
            alone.add(i)
        if any(at in side.moments for side in sides):
            moments.add(i)
        vectors[i] = frozenset[tuple[str, str]]().union(*(side.vectors.get(at, ()) for side in sides))
        if f"{ERROR_PREFIX}{at}" in known:
            width = column(f"{ERROR_PREFIX}{at}", of)
            tree.select(exp.alias_(width, exp.to_identifier(f"{ERROR_PREFIX}{i}", quoted=True)), copy=False)
    return WithErrors(tree, frozenset(noisy), {}, frozenset(moments), frozenset(alone), vectors)


def _source(tree: exp.Select, boundaries: Sequence[Boundary]) -> Boundary | None:
    """The one noisy table that the SELECT reads, row by row; None where there is no such thing."""
    source = tree.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table) or tree.args.get("joins"):
        return None
    if aggregates(tree):
        return None
    return next((b for b in boundaries if b.name == source.this.name), None)


def flattened(tree: exp.Select) -> exp.Select:
    """The same SELECT without the subqueries that only name what one table holds."""
    while (inner := _plain_source(tree)) is not None:
        alias = tree.args["from_"].this.alias_or_name
        table = inner.args["from_"].this.alias_or_name
        outputs = {p.alias_or_name: _of(p.unalias(), table) for p in inner.selects}

        outer = tree.copy()
        for item in list(outer.selects):
            if isinstance(item, exp.Column):
                item.replace(exp.alias_(item.copy(), item.name, quoted=True))
        for node in list(_own_columns(outer)):
            if node.table == alias and node.name in outputs:
                value = outputs[node.name]
                node.replace(value.copy() if isinstance(value, exp.Column) else exp.Paren(this=value.copy()))
        if sum(1 for _ in outer.walk()) > MOST_MERGED:
            return tree
        outer.set("from_", inner.args["from_"].copy())
        if inner.args.get("where") is not None:
            outer.where(_of(inner.args["where"].this, table), copy=False)
        tree = outer
    return tree


def _own_columns(select: exp.Select) -> Iterator[exp.Column]:
    """Columns of the SELECT itself: one inside it may have a table of the same name, and reads that."""
    for node in select.walk(prune=lambda n: isinstance(n, exp.Select) and n is not select):
        if isinstance(node, exp.Column):
            yield node


def _of(value: exp.Expr, table: str) -> exp.Expr:
    """`value` with the table before each column: an output of the same name is another thing."""
    result = value.copy()
    for node in [result] if isinstance(result, exp.Column) else result.find_all(exp.Column):
        if not node.table:
            node.set("table", exp.to_identifier(table, quoted=True))
    return result


def _plain_source(tree: exp.Select) -> exp.Select | None:
    """The subquery of FROM, when it only renames one table's rows, and the SELECT aggregates nothing."""
    source = tree.args.get("from_")
    inner = source.this.this if source is not None and isinstance(source.this, exp.Subquery) else None
    if not isinstance(inner, exp.Select) or tree.args.get("joins") or aggregates(tree):
        return None
    strange = ("joins", "group", "having", "qualify", "limit", "offset", "distinct")
    if any(inner.args.get(part) for part in strange) or inner.args.get("from_") is None:
        return None
    more = (exp.Window, exp.Select, exp.SetOperation)
    if any(p.find(*more, *AGGREGATES) is not None for p in inner.selects):
        return None
    where = inner.args.get("where")
    if where is not None and where.find(*more) is not None:
        return None
    return inner


def _half_width(value: exp.Expr, numbers: Numbers) -> exp.Expr | None:
    """The half-width of an expression over a row, or the rows of a window; None where none is honest."""
    if value.find(exp.Subquery) is not None:
        return None  # noisy numbers of other tables are in it: no half-width is better than a small one
    # A rounded number moves in steps, which a difference misses or doubles: move what is rounded.
    value = value.transform(lambda n: n.this if isinstance(n, exp.Round | exp.Floor | exp.Ceil) else n)
    atoms = list(_atoms(value, numbers))
    if not all(atoms):
        return None
    known = [a for a in atoms if a is not None]
    if len(known) == 1 and known[0].node == value:
        return _unless_null(value, known[0].width.copy())
    here = _as_number(value)
    moves = [_move(value, here, atom) for atom in known]
    if any(_shared(a, b) for i, a in enumerate(known) for b in known[:i]):
        return _sum([exp.Sqrt(this=m) for m in moves])
    return exp.Sqrt(this=_sum(moves))


def _days_between(value: exp.Expr, numbers: Numbers) -> exp.Expr | None:
    """The half-width of the days between two noisy moments: those of both, whose noise may be the same."""
    plain = value.unnest()
    plain = plain.this.unnest() if isinstance(plain, exp.Try) else plain
    in_days = isinstance(plain, exp.DateDiff) and plain.args["unit"].name.upper() == "DAY"
    if not (in_days or isinstance(plain, exp.Sub)):
        return None
    sides = [side.unnest() for side in (plain.this, plain.expression)]
    found = [numbers.get((s.table, s.name)) if isinstance(s, exp.Column) else None for s in sides]
    widths = [n.width for n in found if n is not None and n.moment and n.width is not None]
    if len(widths) < len(sides):
        return None
    if in_days:  # of two times it counts midnights, one more or less than the days between them
        widths.append(cast(exp.Literal.number(1), "DOUBLE"))
    return _unless_null(value, _sum([w.copy() for w in widths]))


def _unless_null(value: exp.Expr, width: exp.Expr) -> exp.Expr:
    shown = exp.Not(this=exp.Paren(this=exp.Is(this=value.copy(), expression=exp.Null())))
    return exp.Case(ifs=[exp.If(this=shown, true=width)])


def _sum(parts: list[exp.Expr]) -> exp.Expr:
    result = parts[0]
    for part in parts[1:]:
        result = exp.Add(this=result, expression=part)
    return result


def _read(node: exp.Expr, numbers: Numbers) -> list[Number]:
    found = [numbers.get((c.table, c.name)) for c in node.find_all(exp.Column)]
    return [n for n in found if n is not None]


def _atoms(value: exp.Expr, numbers: Numbers) -> Iterator[_Atom | None]:
    """Each noisy part of `value` once; None for one that has no honest half-width."""
    seen: list[exp.Expr] = []
    for node in value.walk(prune=lambda n: isinstance(n, exp.Window)):
        number = numbers.get((node.table, node.name)) if isinstance(node, exp.Column) else None
        window = isinstance(node, exp.Window) and bool(_read(node, numbers))
        if node in seen or not (number is not None or window):
            continue
        seen.append(node)
        if isinstance(node, exp.Window):
            width = _window_width(node, numbers)
            vectors = frozenset[tuple[str, str]]().union(*(n.vectors for n in _read(node, numbers)))
            yield None if width is None else _Atom(node, width, vectors)
        elif number is not None:
            yield None if number.width is None else _Atom(node, number.width, number.vectors)


def _window_width(node: exp.Window, numbers: Numbers) -> exp.Expr | None:
    call = node.this
    order = node.args["order"].expressions if node.args.get("order") is not None else []
    if any(_read(p, numbers) for p in (*(node.args.get("partition_by") or ()), *order)):
        return None
    if not isinstance(call, (exp.Sum, exp.Avg, *_OTHER_ROW)):
        return None
    inside = _half_width(call.this, numbers)
    if inside is None:
        return None

    def over(function: exp.Expr) -> exp.Window:
        window = node.copy()
        window.set("this", function)
        return window

    if isinstance(call, _OTHER_ROW):
        moved = call.copy()
        moved.set("this", inside)
        if isinstance(call, exp.Lag | exp.Lead):
            moved.set("offset", call.args.get("offset") or exp.Literal.number(1))
            moved.set("default", exp.Literal.number(0))  # what stands in for a row that is not there is exact
        return over(moved)
    squares = exp.Sqrt(this=over(exp.Sum(this=exp.Pow(this=inside, expression=exp.Literal.number(2)))))
    if isinstance(call, exp.Sum):
        return squares
    count = cast(over(exp.Count(this=call.this.copy())), "DOUBLE")
    return exp.Div(this=squares, expression=exp.Nullif(this=count, expression=exp.Literal.number(0)))


def _shared(a: _Atom, b: _Atom) -> bool:
    """Whether two parts may have noise in common: another row's number has none of this row's."""
    if not a.vectors & b.vectors:
        return False
    shifted = [isinstance(x.node, exp.Window) and isinstance(x.node.this, exp.Lag | exp.Lead) for x in (a, b)]
    columns = [isinstance(x.node, exp.Column) for x in (a, b)]
    return not ((shifted[0] and columns[1]) or (shifted[1] and columns[0]))


def _move(value: exp.Expr, here: exp.Expr, atom: _Atom) -> exp.Expr:
    """The square of how far `here`, which is `value`, moves with its part's half-width, to the worse side."""
    sides: list[exp.Expr] = []
    for node in (exp.Add, exp.Sub):
        moved = exp.Paren(this=node(this=cast(atom.node.copy(), "DOUBLE"), expression=atom.width.copy()))
        there = _as_number(exp.Paren(this=replaced(value, atom.node, moved)))
        sides.append(exp.Abs(this=exp.Sub(this=there, expression=here)))
    # GREATEST skips NULL: where the value ends on one side, the other side speaks.
    further = exp.Greatest(this=sides[0], expressions=[sides[1]], ignore_nulls=True)
    return exp.Pow(this=further, expression=exp.Literal.number(2))


def _as_number(value: exp.Expr) -> exp.Expr:
    return value if is_double(value) else exp.TryCast(this=value, to=type_of("DOUBLE"))
