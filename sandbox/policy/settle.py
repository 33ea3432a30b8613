"""Values whose type is their column's: bounds, public keys and row rules of a policy get it here."""

from __future__ import annotations

from typing import Any

from sandbox.policy.codelist import NAME, CodeLists, keys_of
from sandbox.policy.diagnostic import Path, PolicyFileError, did_you_mean
from sandbox.policy.scalars import scalar_of
from sandbox.policy.shape import ABSENT, Shape
from sandbox.policy.types import Kind
from sandbox.policy.yaml import Text

_OPERANDS = ("equals", "not_equals", "one_of", "at_least", "at_most")


def settle(raw: dict[str, Any], shape: Shape, lists: CodeLists, lists_folder: str) -> None:
    """Replace every `Text` under `tables` of a raw policy by a value of its column's type.

    What cannot be settled is noted in `shape` and left out. A `codelist` fills `values`.
    """
    for table_name, table in raw.get("tables", {}).items():
        path: Path = ("tables", table_name)
        columns = table.get("columns", {})
        for name, column in columns.items():
            _column(column, (*path, "columns", name), shape, lists, lists_folder)
        rules = []
        for index, rule in enumerate(table.get("rows", ())):
            rules.append(_rule(rule, columns, (*path, "rows", index), shape))
        if rules:
            table["rows"] = tuple(rules)


def _column(column: dict[str, Any], path: Path, shape: Shape, lists: CodeLists, lists_folder: str) -> None:
    kind = column.get("type")
    for key in ("between", "values"):
        if key in column:
            _replace(column, key, kind, path, shape)
    name = column.get("codelist")
    if not isinstance(name, str) or not isinstance(kind, Kind) or not NAME.fullmatch(name):
        return  # noted already, or the type's own pattern refuses the name
    here = (*path, "codelist")
    if "values" in column:
        shape.refuse("codelist", here, "`values` and `codelist` exclude each other.", "Keep one of them.")
        return
    try:
        column["values"] = keys_of(lists(name), kind, f"{lists_folder}{name}.txt")
    except LookupError as missing:
        shape.refuse("codelist", here, f"there is no code list `{name[:64]}`.", str(missing.args[0]))
    except PolicyFileError as wrong:
        shape.problems.extend(wrong.diagnostics)


def _rule(rule: dict[str, Any], columns: dict[str, Any], path: Path, shape: Shape) -> dict[str, Any]:
    name = rule.get("column", "")
    here = (*path[:2], "columns")
    if name and name not in columns and not {here, (*here, name)} & shape.failed:
        message = f"the table has no column `{name[:64]}`."
        shape.refuse("row-rule-column", (*path, "column"), message, did_you_mean(name, columns))
    kind = columns.get(name, {}).get("type")
    for key in _OPERANDS:
        if key in rule:
            _replace(rule, key, kind, path, shape)
    return rule


def _replace(block: dict[str, Any], key: str, kind: Kind | None, path: Path, shape: Shape) -> None:
    """Settle `block[key]`, one text or a tuple of them; without a kind its problem is noted already."""
    here = (*path, key)
    value = block.pop(key)
    if not isinstance(kind, Kind):
        shape.failed.add(here)
        return
    if isinstance(value, Text):
        settled: Any = _one(value, kind, here, shape)
    else:
        settled = tuple(_one(item, kind, (*here, index), shape) for index, item in enumerate(value))
        settled = ABSENT if ABSENT in settled else settled
    if settled is not ABSENT:
        block[key] = settled
    else:
        shape.failed.add(here)


def _one(node: Text, kind: Kind, path: Path, shape: Shape) -> Any:
    return shape.parsed(lambda text: scalar_of(kind, text), kind, node, path)
