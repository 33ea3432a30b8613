"""Lint of one table within its policy: unit, foreign keys, contribution bounds, rules, names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sandbox.policy.diagnostic import Path, did_you_mean
from sandbox.policy.lint_checks import lint_checks
from sandbox.policy.lint_column import lint_column
from sandbox.policy.masks import NUMBERS, TIMES
from sandbox.policy.rules import Findings
from sandbox.policy.types import Kind, Policy, TablePolicy, Through, Units, Use

NARROW = 8  # as `query.boundary.LEAST_FOUND`, below which no clamp is searched


def lint_table(policy: Policy, name: str, units: Units | None, into: Findings) -> None:
    """Everything about one table."""
    table = policy.tables[name]
    path: Path = ("tables", name)
    lint_names(table.columns, (*path, "columns"), into)
    if table.protection == "protected":
        _protected(policy, name, units, into)
    else:
        for key in ("unit", "bounds"):
            if getattr(table, key) is not None:
                hint = "Leave it out, or say protection: protected."
                into.add("open-unit", (*path, key), "an open table hides nobody.", hint)
    for column, said in table.columns.items():
        lint_column(said, table, (*path, "columns", column), into)
    _bounds(table, path, into)
    _rows(table, path, into)
    _never_together(table, path, into)
    lint_checks(policy, name, into)


def lint_names(names: Iterable[str], path: Path, into: Findings, *, dots: bool = True) -> None:
    """Names of tables or columns of one block."""
    seen: dict[str, str] = {}
    for name in names:
        here = (*path, name)
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            into.add("name-case", here, f"differs from `{seen[folded]}` by case only.")
        seen.setdefault(folded, name)
        if name.startswith("__"):
            into.add("name-reserved", here, "names that begin with __ are the sandbox's own.")
        composed = unicodedata.is_normalized("NFC", name) and name.isprintable()
        if not composed or name != name.strip() or '"' in name or (not dots and "." in name):
            into.add("name-form", here, "write visible, composed text without quotes, dots or outer spaces.")


def _protected(policy: Policy, name: str, units: Units | None, into: Findings) -> None:
    table = policy.tables[name]
    path: Path = ("tables", name)
    if table.bounds is None:
        hint = "Add bounds: {rows_per_unit: …}."
        into.add("bounds-missing", path, "a protected table bounds what one unit contributes.", hint)
    if table.unit is None:
        hint = "Add unit: {name: …, column: …, when_null: drop}."
        into.add("unit-missing", path, "a protected table says whose rows these are.", hint)
        return
    unit = table.unit
    if units is not None and unit.name not in units.units:
        hint = did_you_mean(unit.name, units.units)
        into.add("unit-unknown", (*path, "unit", "name"), f"`{unit.name}` is not in units.yaml.", hint)
    if unit.column is not None:
        if unit.column not in table.columns:
            hint = did_you_mean(unit.column, table.columns)
            into.add("unit-column", (*path, "unit", "column"), f"there is no column `{unit.column}`.", hint)
        elif (kind := table.columns[unit.column].type) in {Kind.DOUBLE, Kind.BOOLEAN}:
            into.add("unit-column", (*path, "unit", "column"), f"a {kind.value} identifies nobody.")
        else:
            _identifies(table, unit.column, path, into)
    if unit.through is not None:
        _through(policy, name, unit.through, into)


def _identifies(table: TablePolicy, column: str, path: Path, into: Findings) -> None:
    if table.columns[column].use > Use.JOIN_ONLY:
        here = (*path, "columns", column, "use")
        into.add("unit-use", here, "the column identifies the unit.", "Say `join_only` or less.")


def _through(policy: Policy, name: str, through: Through, into: Findings) -> None:
    table = policy.tables[name]
    path: Path = ("tables", name, "unit", "through")
    known = {f"{other}.{column}" for other, said in policy.tables.items() for column in said.columns}
    if through.column not in table.columns:
        hint = did_you_mean(through.column, table.columns)
        into.add("through", (*path, "column"), f"there is no column `{through.column}`.", hint)
        return
    if through.references not in known:
        hint = did_you_mean(through.references, known) or "Write table.column."
        into.add("through", (*path, "references"), f"there is no column `{through.references}`.", hint)
        return
    other_name, other_column = through.references.split(".", 1)
    other = policy.tables[other_name]
    if table.columns[through.column].type is not other.columns[other_column].type:
        into.add("through", path, "the two columns are not of one type.")
    same = table.unit is not None and other.unit is not None and other.unit.name == table.unit.name
    if other.protection != "protected" or not same:
        hint = "Give both tables the same unit."
        into.add("through", (*path, "references"), f"`{other_name}` is not protected by the same unit.", hint)
    elif other.unit is not None and other.unit.column == other_column:
        _identifies(table, through.column, ("tables", name), into)
    if _endless(policy, name):
        into.add("through-cycle", path, "the foreign keys lead back to themselves.")


def _endless(policy: Policy, start: str) -> bool:
    seen: set[str] = set()
    name = start
    while name not in seen:
        seen.add(name)
        table = policy.tables.get(name)
        if table is None or table.unit is None or table.unit.through is None:
            return False
        name = table.unit.through.references.split(".", 1)[0]
    return True


def _bounds(table: TablePolicy, path: Path, into: Findings) -> None:
    if table.bounds is None:
        return
    rows = table.bounds.rows_per_unit
    for key in ("groups_per_unit", "rows_per_group"):
        most = getattr(table.bounds, key)
        if most is not None and most > rows:
            into.add("bounds-order", (*path, "bounds", key), f"{most} exceeds the {rows} rows of one unit.")
    if table.bounds.totals == "found_privately":
        in_group = min(rows, table.bounds.rows_per_group or rows)
        summed = any(c.type in NUMBERS and c.use >= Use.SUM_MEAN for c in table.columns.values())
        if in_group < NARROW and not summed:
            hint = "Leave it out."
            into.add("totals-narrow", (*path, "bounds", "totals"), f"counts are at most {in_group}.", hint)


def _rows(table: TablePolicy, path: Path, into: Findings) -> None:
    for index, rule in enumerate(table.rows):
        here = (*path, "rows", index)
        if rule.column not in table.columns:
            hint = did_you_mean(rule.column, table.columns)
            into.add("row-rule-type", here, f"there is no column `{rule.column}`.", hint)
        elif table.columns[rule.column].type not in NUMBERS | TIMES:
            for key in ("at_least", "at_most"):
                if getattr(rule, key) is not None:
                    kind = table.columns[rule.column].type.value
                    into.add("row-rule-type", (*here, key), f"a {kind} has no order here.", "Use one_of.")
        if rule.one_of == ():
            into.add("row-rule-type", (*here, "one_of"), "no row would exist.", "List at least one value.")


def _never_together(table: TablePolicy, path: Path, into: Findings) -> None:
    for index, group in enumerate(table.never_together):
        here = (*path, "never_together", index)
        if len(set(group)) < 2:
            into.add("never-together", here, "at least two different columns belong here.")
        for position, column in enumerate(group):
            if column not in table.columns:
                hint = did_you_mean(column, table.columns)
                into.add("never-together", (*here, position), f"there is no column `{column}`.", hint)
            elif table.columns[column].use is Use.HIDDEN:
                message = f"`{column}` is hidden, so the group has no effect."
                into.add("never-together-hidden", (*here, position), message)
