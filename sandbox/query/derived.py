"""Answers that follow from stored ones (see `cube.py`): kept cubes of noisy cells, and sums over them, free.

Same grant (or any, where every policy shares answers), same versions of the data, same published files. What
is summed are released numbers. The half-width of a sum of n cells is sqrt(n) times that of one: exact for
Gaussian noise, and more than 95 % for Laplace noise, whose sums have thinner tails than its quantile says.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlglot import exp

from sandbox.audit.store import Store, metadata
from sandbox.catalog.model import TableVersion
from sandbox.query.boundary import Boundary
from sandbox.query.cube import Cube, Follows, cube_of, follows
from sandbox.query.noise import Noised
from sandbox.query.parse import DIALECT
from sandbox.query.postprocess import run_public
from sandbox.query.price import Priced, PricedBoundary
from sandbox.query.relations import aliased, column, result_table
from sandbox.query.rewrite import column_type
from sandbox.query.stored import (
    StoredAnswer,
    answers_table,
    as_settled,
    encode,
    not_as_given,
    stored_answer,
    whose,
)

MOST_CUBES = 50  # of the newest that are looked at for one question

# `cube` holds what the question said, with its literals: encrypted, as the question itself is beside the log.
cubes_table = sa.Table(
    "question_cube",
    metadata,
    sa.Column("question", sa.String, sa.ForeignKey(answers_table.c.question), primary_key=True),
    sa.Column("base", sa.String, index=True, nullable=False),
    sa.Column("cube", sa.LargeBinary, nullable=False),
    sa.Column("widths", sa.String, nullable=False),
    sa.Column("cells", sa.LargeBinary, nullable=False),
)

_CUBES = (
    sa.select(cubes_table, answers_table)
    .join(answers_table, answers_table.c.question == cubes_table.c.question)
    .where(cubes_table.c.base == sa.bindparam("same"))
    .order_by(answers_table.c.epsilon.desc(), cubes_table.c.question)
    .limit(MOST_CUBES)
)


@dataclass(frozen=True, slots=True)
class KeptCells:
    """A line of `cubes_table`."""

    question: str
    base: str
    cube: bytes
    widths: str
    cells: bytes

    def line(self, store: Store) -> str:
        """The code of all of it, for the entry that settles the question."""
        cube, cells = (hashlib.sha256(piece).hexdigest() for piece in (self.cube, self.cells))
        return store.authenticated("cells", self.question, self.base, cube, self.widths, cells)


@dataclass(frozen=True, slots=True)
class Derived:
    """A noisy table made of stored cells, with the half-widths that it has, and where it is from.

    `worth`: the epsilon at which the question itself would be about as accurate, or a little less.
    """

    known: StoredAnswer
    noised: Noised
    priced: Priced
    worth: Decimal


@dataclass(frozen=True, slots=True)
class Base:
    """The cube of a question, and the digest of what it shares with those that it may follow from."""

    digest: str
    cube: Cube


def base_of(priced: Priced, versions: Mapping[str, TableVersion]) -> Base | None:
    """What a question and the cubes that it may follow from have in common; None where there are none."""
    cube = cube_of(priced.rewritten.analyzed)
    if cube is None:
        return None
    decided_by = list(priced.rewritten.analyzed.authorized.decision.decided_by)
    files = [f"{v.id}:{f.digest}" for _, v in sorted(versions.items()) for f in v.files]
    text = json.dumps([cube.base, files, whose(priced), decided_by])
    return Base(hashlib.sha256(text.encode()).hexdigest(), cube)


def kept_cells(store: Store, question: str, base: Base | None, noised: Noised) -> KeptCells | None:
    """The cells of an answer as they are kept; None where nothing follows from them."""
    priced = noised.priced
    if base is None or priced is None or not base.cube.keys:
        return None
    cube = base.cube
    (b,) = priced.boundaries
    said = json.dumps([cube.base, cube.conditions, cube.keys, dict(cube.measures), cube.additive])
    widths = json.dumps({n.measure.name: n.half_width for n in b.noise})
    return KeptCells(question, base.digest, store.seal(said), widths, encode(noised.tables[b.boundary.name]))


def save_cells(connection: sa.Connection, cells: KeptCells) -> None:
    """Keep an answer's cells, in the transaction that settles its question."""
    connection.execute(cubes_table.insert().values(**asdict(cells)))


def derive(store: Store, priced: Priced, base: Base | None, seconds: float) -> Derived | None:
    """The most accurate stored answer from which this one follows, if as accurate as what was asked for.

    Raises:
        SandboxError: STORAGE_CORRUPT, LOG_CORRUPT: it is not an answer that was paid for, or has other cells.

    """
    if base is None:
        return None
    with store.read() as connection:
        rows = connection.execute(_CUBES, {"same": base.digest}).all()
    best: Derived | None = None
    for row in rows:
        if not isinstance(row.cube, bytes):
            raise not_as_given()
        text, conditions, keys, measures, additive = json.loads(store.unseal(row.cube))
        cube = Cube(text, tuple(conditions), tuple(keys), measures, additive)
        how = follows(priced.rewritten.analyzed, cube)
        if how is None:
            continue
        known = stored_answer(row.question, row.key, row.epsilon, row.mechanism, row.body)
        if not _as_settled(store, known, KeptCells(row.question, row.base, row.cube, row.widths, row.cells)):
            continue
        cells = pa.ipc.open_stream(row.cells).read_all()
        found = _summed(priced, how, cells, json.loads(row.widths), known, seconds)
        if found is not None and (best is None or _widths(found.priced) < _widths(best.priced)):
            best = found
    return best


def _as_settled(store: Store, known: StoredAnswer, cells: KeptCells) -> bool:
    """Whether the log vouches for an answer and its cells; False where an older release kept them."""
    facts = as_settled(store, known)
    if facts is None:
        return False
    written = isinstance(cells.widths, str) and isinstance(cells.cells, bytes)
    if not written or facts.get("cells") != cells.line(store):
        raise not_as_given()
    return True


def _widths(priced: Priced) -> list[int]:
    return [n.half_width for b in priced.boundaries for n in b.noise]


def _summed(
    priced: Priced,
    how: Follows,
    cells: pa.Table,
    widths: Mapping[str, int],
    known: StoredAnswer,
    seconds: float,
) -> Derived | None:
    (asked,) = priced.boundaries
    boundary = asked.boundary
    sums = run_public(_sql(boundary, how), {"cube": cells}, seconds)
    most = max((row["n"] for row in sums.select(["n"]).to_pylist()), default=1)
    noises = []
    worth = Decimal("Infinity")
    for n in asked.noise:
        width = math.ceil(widths[how.measures[n.measure.name]] * math.sqrt(most))
        if width > n.half_width:
            return None  # what was asked for is more accurate
        noises.append(replace(n, half_width=width, search=None))
        worth = min(worth, priced.epsilon * n.half_width / max(1, width))
    table = _in_order(boundary, how, cells, sums)
    settled = replace(priced, boundaries=(PricedBoundary(boundary, tuple(noises), 0),))
    return Derived(known, Noised({boundary.name: table}, settled), settled, worth)


def _sql(boundary: Boundary, how: Follows) -> str:
    keys = [column(f"k{i}", "cube") for i in how.keys]
    outputs: list[exp.Expr] = [aliased(k, f"g{at}") for at, k in enumerate(keys)]
    for m in boundary.measures:
        total = exp.Sum(this=column(how.measures[m.name], "cube"))
        outputs.append(aliased(exp.TryCast(this=total, to=column_type(m)), m.name))
    outputs.append(aliased(exp.Count(this=exp.Star()), "n"))
    tree = exp.Select(expressions=outputs).from_(result_table("cube"), copy=False)
    tree.where(*(c.copy() for c in how.conditions), copy=False)
    return tree.group_by(*(k.copy() for k in keys), copy=False).sql(DIALECT)


def _in_order(boundary: Boundary, how: Follows, cells: pa.Table, sums: pa.Table) -> pa.Table:
    """One row per public group in its order; 0 where a condition leaves no cell of it."""
    names = [m.name for m in boundary.measures]
    known = {
        tuple(row[f"g{at}"] for at in range(len(how.keys))): [row[name] for name in names]
        for row in sums.to_pylist()
    }
    groups: Sequence[tuple[Any, ...]] = list(product(*(boundary.domain or ())))
    columns: dict[str, pa.Array[Any]] = {}
    for at, (key, of) in enumerate(zip(boundary.keys, how.keys, strict=True)):
        columns[key.name] = pa.array([g[at] for g in groups], cells.column(f"k{of}").type)
    for at, m in enumerate(boundary.measures):
        kind = pa.decimal128(38, m.scale) if m.decimal else pa.int64()
        nothing = [Decimal(0) if m.decimal else 0] * len(names)
        columns[m.name] = pa.array([known.get(g, nothing)[at] for g in groups], kind)
    return pa.table(columns)
