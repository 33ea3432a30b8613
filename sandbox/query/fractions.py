"""Other spellings of quantiles, written out: lists of fractions, and WITHIN GROUP.

- `QUANTILE_CONT(x, [0.25, 0.5]) AS q` gives a column for each fraction, `q_p25` and `q_p50`, so that each has
  an error bar of its own.
- `PERCENTILE_CONT(f) WITHIN GROUP (ORDER BY x)` is `QUANTILE_CONT(x, f)`; of a descending order, at 1 - f.
- `MODE() WITHIN GROUP (ORDER BY x)` is `MODE(x)`.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from sqlglot import exp

MOST_FRACTIONS = 100
_AT: dict[type, str] = {
    exp.PercentileCont: "expression",
    exp.PercentileDisc: "expression",
    exp.Quantile: "quantile",
    exp.ApproxQuantile: "quantile",
}


def written_out(tree: exp.Expr) -> exp.Expr:
    """`tree`, changed in place; what has another form is left for the vocabulary to refuse."""
    for within in list(tree.find_all(exp.WithinGroup)):
        plain = _plain(within)
        if plain is not None:
            within.replace(plain)
    for select in list(tree.find_all(exp.Select)):
        items = [part for item in select.expressions for part in _spread(item)]
        if len(items) != len(select.expressions):
            select.set("expressions", items)
    return tree


def fraction_of(node: exp.Expr | None) -> Decimal | None:
    """A constant from 0 to 1 with at most 12 decimals; None for anything else."""
    literal = node.unnest() if node is not None else None
    if not isinstance(literal, exp.Literal) or literal.is_string:
        return None
    try:
        value = Decimal(str(literal.this))
    except InvalidOperation:
        return None
    return value if 0 <= value <= 1 and value == round(value, 12) else None


def _plain(within: exp.WithinGroup) -> exp.Expr | None:
    call, order = within.this, within.expression
    if isinstance(call, exp.Mode) and call.this is None and isinstance(order, exp.Order):
        by = [item for item in order.expressions if not item.args.get("desc")]
        return exp.Mode(this=by[0].this.copy()) if len(by) == len(order.expressions) == 1 else None
    if not isinstance(call, exp.PercentileCont | exp.PercentileDisc) or call.expression:
        return None
    fraction = fraction_of(call.this)
    if fraction is None or not isinstance(order, exp.Order) or len(order.expressions) != 1:
        return None
    by = order.expressions[0]
    if by.args.get("desc"):
        if isinstance(call, exp.PercentileDisc):
            return None
        fraction = 1 - fraction
    plain: exp.Expr = type(call)(this=by.this.copy(), expression=exp.Literal.number(f"{fraction:f}"))
    return plain


def _spread(item: exp.Expr) -> list[exp.Expr]:
    """A column for each fraction of a list; the column itself where there is none."""
    value = item.unalias()
    call = value.this if isinstance(value, exp.Filter) else value
    at = _AT.get(type(call), "")
    listed = call.args.get(at)
    if not isinstance(listed, exp.Array) or not 0 < len(listed.expressions) <= MOST_FRACTIONS:
        return [item]
    fractions = [fraction_of(part) for part in listed.expressions]
    if None in fractions:
        return [item]
    columns = []
    for fraction in fractions:
        column = value.copy()
        inner = column.this if isinstance(column, exp.Filter) else column
        inner.set(at, exp.Literal.number(f"{fraction:f}"))
        if isinstance(item, exp.Alias):
            column = exp.alias_(column, exp.to_identifier(_name(item.alias, fraction), quoted=True))
        columns.append(column)
    return columns


def _name(alias: str, fraction: Decimal | None) -> str:
    percent = f"{(fraction or Decimal(0)) * 100:f}"
    return f"{alias}_p{percent.rstrip('0').rstrip('.') if '.' in percent else percent}".replace(".", "_")
