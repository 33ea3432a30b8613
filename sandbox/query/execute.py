"""Step 8, execute: the exact, bounded integers of each boundary, inside the hot store's engine.

This is one of the few doors to plaintext. Only SQL generated from rewritten trees passes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
from sqlglot import exp

from sandbox.catalog.model import NUMBER_COLUMN, UNIT_COLUMN, TableVersion
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.kept_parts import parts
from sandbox.query.parse import DIALECT
from sandbox.query.relations import OpenKey
from sandbox.query.rewrite import Rewritten
from sandbox.query.unit_bits import by_bits
from sandbox.vault.engine import question_failed
from sandbox.vault.hot import HotStore


@dataclass(frozen=True, slots=True)
class Located:
    """The versions that a question will read, by placeholder name, and the columns of each."""

    versions: Mapping[str, TableVersion]
    columns: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Executed:
    """Exact tables: one per boundary (never shown, only noised), one per open table.

    `buckets`: of each boundary, the parts by size of the measures whose clamp is found privately.
    `ranks`: of each boundary, the ranks of each of its trees.
    """

    boundaries: tuple[pa.Table, ...]
    open_tables: tuple[pa.Table, ...]
    buckets: tuple[Mapping[str, pa.Table], ...]
    ranks: tuple[tuple[pa.Table, ...], ...]


def locate(rewritten: Rewritten, catalog: Catalog) -> Located:
    """Find the current versions. Reads the catalog, no data.

    Raises:
        SandboxError: `dataset-unknown` when a table was never loaded, or lacks a column of its policy.

    """
    trees = [t for e in rewritten.exact for t in e.trees] + [o.tree for o in rewritten.analyzed.open_tables]
    visible = rewritten.analyzed.authorized.resolved.visible
    names = {f"{d}.{t}": (d, t) for d, t in map(visible.true_table, visible.tables)}
    needs: dict[str, set[str]] = {}
    for tree in trees:
        for table in parts(tree, exp.Table):
            base = table.find_ancestor(exp.Select)
            if base is not None:
                needs.setdefault(table.name, set()).update(c.name for c in parts(base, exp.Column))
    versions: dict[str, TableVersion] = {}
    for name, columns in needs.items():
        version = catalog.current(*names[name])
        if version is None or not columns - {NUMBER_COLUMN} <= {c.name for c in version.columns}:
            raise SandboxError(
                ErrorCode.DATASET_UNKNOWN,
                f"{name} has no loaded version with the columns that its policy names.",
                "Ask the operator to load it: sandbox load FILE --dataset … --table ….",
            )
        versions[name] = version
    for key in rewritten.analyzed.keys:
        _check_key(key, versions.get(f"{key.dataset}.{key.table}"))
    return Located(versions, {n: frozenset(c) for n, c in needs.items()})


def _check_key(key: OpenKey, version: TableVersion | None) -> None:
    """A key that bounds what one unit moves was checked by the load of the rows, not only declared since."""
    checked = () if version is None else version.unique
    if not any(frozenset(name.lower() for name in one) <= key.columns for one in checked):
        raise SandboxError(
            ErrorCode.DATASET_UNKNOWN,
            f"{key.dataset}.{key.table} was loaded before its policy declared a key of it: "
            f"({', '.join(sorted(key.columns))}).",
            "Ask the operator to load it again, so that the key is checked.",
        )


def check_classes(located: Located, grades: Collection[str]) -> None:
    """That the engine holds the key class of every column, which policies declare.

    Raises:
        SandboxError: KEY_REFUSED, before anything is charged.

    """
    for name, version in located.versions.items():
        classes = {column.name: column.grade for column in version.columns}
        # A unit's number is made from the unit. A question that needs no column reads the cheapest one.
        wanted = {UNIT_COLUMN if c == NUMBER_COLUMN else c for c in located.columns[name]}
        wanted = wanted or {min(classes, key=lambda one: classes[one] not in grades)}
        if any(classes[column] not in grades for column in wanted):
            raise SandboxError(
                ErrorCode.KEY_REFUSED,
                f"{name} has columns in this question whose class of keys this engine does not hold.",
                "Ask where all classes are held; questions on columns graded open are answered here.",
            )


def execute(rewritten: Rewritten, located: Located, hot: HotStore, seconds: float) -> Executed:
    """Run every boundary.

    Raises:
        SandboxError: `question-failed` (one text for every cause), `storage-corrupt`.

    """
    needs = {located.versions[name]: columns for name, columns in located.columns.items()}
    try:
        with hot.lease(needs) as lease:
            relations = {name: lease.relation(version.id) for name, version in located.versions.items()}
            units = {name: lease.units(version.id) for name, version in located.versions.items()}
            return Executed(
                tuple(
                    lease.run(sql_of(by_bits(e.tree, e.boundary, units), relations), seconds)
                    for e in rewritten.exact
                ),
                tuple(lease.run(sql_of(o.tree, relations), seconds) for o in rewritten.analyzed.open_tables),
                tuple(
                    {name: lease.run(sql_of(tree, relations), seconds) for name, tree in e.buckets}
                    for e in rewritten.exact
                ),
                tuple(
                    tuple(lease.run(sql_of(t, relations), seconds) for t in e.ranks) for e in rewritten.exact
                ),
            )
    except SandboxError as error:
        if error.code is ErrorCode.SERVICE_BUSY:
            # How much memory others hold tells how large their data is; and this question is paid for.
            raise question_failed() from None
        raise


def sql_of(tree: exp.Select, relations: Mapping[str, str]) -> str:
    """The SQL of a rewritten tree, its placeholders replaced by real relations while it is written."""
    tables = list(parts(tree, exp.Table))
    before = [table.args for table in tables]
    try:
        for table in tables:
            table.args = _read(relations[table.name]).args
        return tree.sql(DIALECT, copy=False)
    finally:
        for table, args in zip(tables, before, strict=True):
            table.args = args


@lru_cache(maxsize=1024)
def _read(relation: str) -> exp.Table:
    """A relation of the hot store as a tree, which is written in many places and not changed."""
    return exp.to_table(relation, dialect=DIALECT)
