"""Lint of a table's `checks`: they name columns that are there, and can be kept."""

from __future__ import annotations

from sandbox.policy.diagnostic import Path, did_you_mean
from sandbox.policy.rules import Findings
from sandbox.policy.types import Policy


def lint_checks(policy: Policy, name: str, into: Findings) -> None:
    """Keys, foreign keys and `only_declared` of one table."""
    table = policy.tables[name]
    path: Path = ("tables", name, "checks")
    for index, key in enumerate(table.checks.unique):
        if not key or len(set(key)) < len(key):
            into.add("checks", (*path, "unique", index), "a key names each of its columns once.")
        for position, column in enumerate(key):
            _known(column, table.columns, (*path, "unique", index, position), into)
    for index, column in enumerate(table.checks.only_declared):
        here: Path = (*path, "only_declared", index)
        _known(column, table.columns, here, into)
        if column in table.columns:
            said = table.columns[column]
            if said.between is None and said.values is None and said.codelist is None:
                into.add("checks", here, f"`{column}` declares nothing.", "Give it `between` or `values`.")
    targets = {f"{other}.{column}" for other, said in policy.tables.items() for column in said.columns}
    for column, target in table.checks.references.items():
        here = (*path, "references", column)
        _known(column, table.columns, here, into)
        if target not in targets:
            hint = did_you_mean(target, targets) or "Write table.column."
            into.add("checks", here, f"there is no column `{target}`.", hint)
        elif target.split(".", 1)[0] == name:
            into.add("checks", here, "a table cannot refer to itself while it is loaded.")


def _known(column: str, columns: object, path: Path, into: Findings) -> None:
    assert isinstance(columns, dict)  # noqa: S101
    if column not in columns:
        hint = did_you_mean(column, columns)
        into.add("checks", path, f"there is no column `{column}`.", hint)
