"""A small world for questions: a policy, tables with everything that can go wrong in them, and an engine.

The engine is plain DuckDB over tables that bear `__unit`, `__number` and `__rank`, so that rewritten SQL can
be run on neighbouring data and beside the question as it was written.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from sandbox.identity import Actor, Person, Role, Via
from sandbox.policy.published import Published, Version
from sandbox.policy.read import read_grant, read_people, read_policy, read_units
from sandbox.privacy.loss import Loss
from sandbox.query.analyze import analyze
from sandbox.query.authorize import admit, authorize
from sandbox.query.execute import sql_of
from sandbox.query.folds import folded
from sandbox.query.noise import Noised, noisy_table
from sandbox.query.parse import parse
from sandbox.query.postprocess import Processed, post_process, rehearse
from sandbox.query.price import Noise, Priced, PricedBoundary
from sandbox.query.resolve import resolve, visible
from sandbox.query.rewrite import Rewritten, rewrite
from sandbox.query.unit_bits import by_bits

POLICY = """
dataset: w
title: {en: World, zh: 世界}
publisher: tests
licence: CC0-1.0
stewards: [wang]
people: [opc]
purposes: [research]
settings: [query]
privacy:
  budget: {epsilon: 100, delta: 1e-4}
  project: {epsilon: 50, delta: 1e-5}
  question: {epsilon: 10, delta: 1e-6}
tables:
  people:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      age: {type: integer, use: open, between: [0, 100]}
      score: {type: decimal, digits: 9, decimals: 2, use: open, between: [-5, 5]}
      weight: {type: double, use: open, between: [0, 200]}
      member: {type: boolean, use: open}
      grp: {type: text, use: open, values: [a, b, c]}
      city: {type: text, use: open}
      born: {type: date, use: open}
      secret: {type: text, use: hidden}
      filter_only: {type: integer, use: filter, between: [0, 9]}
      key_only: {type: text, use: group_by, values: [x, y]}
  visits:
    unit: {name: person, column: pid, when_null: drop}
    bounds: {rows_per_unit: %(rows)d, groups_per_unit: %(groups)d, rows_per_group: %(per_group)d}
    columns:
      pid: {type: integer, use: join_only, nullable: false}
      days: {type: integer, use: open, between: [-50, 50]}
      kind: {type: text, use: open, values: [p, q, r, s]}
      place: {type: text, use: open}
      cost: {type: decimal, digits: 12, decimals: 3, use: open, between: [0, 10]}
      level: {type: integer, use: open}
      seen: {type: timestamp, use: open}
  regions:
    protection: open
    columns:
      city: {type: text, use: open}
      size: {type: integer, use: open}
      hidden: {type: integer}
  cities:
    protection: open
    checks: {unique: [[city], [size, mark]]}
    columns:
      city: {type: text, use: open}
      size: {type: integer, use: open}
      mark: {type: text, use: open, values: [p, q, r]}
"""
GRANT = """
grant: g
project: p
people: [li]
purpose: research
datasets: [w]
budget: {epsilon: 20, delta: 1e-5}
window: {first: 2020-01-01, last: 2099-12-31}
"""
PEOPLE = """
people:
  li: {organisation: Li, roles: [opc]}
  wang: {organisation: City, roles: [steward]}
"""
UNITS = """
units:
  person: {title: {en: Person, zh: 人}}
"""
TODAY = date(2026, 6, 1)
LI = Actor(Person("li", "Li", frozenset({Role.OPC})), Via.CLI)

TABLES = {
    "people": pa.schema(
        [
            ("__unit", pa.int64()), ("__number", pa.int64()), ("__rank", pa.int64()),
            ("id", pa.int64()), ("age", pa.int64()),
            ("score", pa.decimal128(9, 2)), ("weight", pa.float64()), ("member", pa.bool_()),
            ("grp", pa.string()),
            ("city", pa.string()), ("born", pa.date32()), ("secret", pa.string()),
            ("filter_only", pa.int64()),
            ("key_only", pa.string()),
        ]
    ),
    "visits": pa.schema(
        [
            ("__unit", pa.int64()), ("__number", pa.int64()), ("__rank", pa.int64()),
            ("pid", pa.int64()), ("days", pa.int64()),
            ("kind", pa.string()), ("place", pa.string()), ("cost", pa.decimal128(12, 3)),
            ("level", pa.int64()),
            ("seen", pa.timestamp("us")),
        ]
    ),
    "regions": pa.schema([("city", pa.string()), ("size", pa.int64()), ("hidden", pa.int64())]),
    "cities": pa.schema([("city", pa.string()), ("size", pa.int64()), ("mark", pa.string())]),
}  # fmt: skip
REGIONS = [("rome", 3, 1), ("oslo", 1, 1), ("罗马", 2, 1)]
# Unique by city and by (size, mark), where these are not NULL; u, v and w are places of visits.
CITIES = [
    ("rome", 1, "p"), ("oslo", 2, "p"), ("罗马", 1, "q"), ("u", 2, "q"), ("v", 3, None), ("w", 3, None),
    (None, 4, "r"), (None, 5, "r"), ("Rome", None, "r"),
]  # fmt: skip
OPEN_ROWS = {"regions": REGIONS, "cities": CITIES}


@cache
def published(rows: int = 6, groups: int = 2, per_group: int = 3, policy: str = POLICY) -> Published:
    """The world's policy with these contribution bounds on visits."""
    text = policy % {"rows": rows, "groups": groups, "per_group": per_group}
    return Published(
        1,
        {"w": Version("sha256:policy", read_policy(text, "w.policy.yaml"))},
        {"g": Version("sha256:grant", read_grant(GRANT, "g.yaml"))},
        Version("sha256:units", read_units(UNITS, "units.yaml")),
        Version("sha256:people", read_people(PEOPLE, "people.yaml")),
    )


def found_world(rows: int = 6, groups: int = 2, per_group: int = 3) -> Published:
    """The same with clamps that are found privately, within the bounds."""
    policy = POLICY.replace("rows_per_unit: 1}", "rows_per_unit: 1, totals: found_privately}")
    policy = policy.replace("per_group)d}", "per_group)d, totals: found_privately}")
    return published(rows, groups, per_group, policy)


def rewritten(sql: str, world: Published) -> Rewritten:
    """The question up to its rewritten form, as Li asks it."""
    admitted = admit(LI.person, "g", world, TODAY)
    return rewrite(analyze(authorize(admitted, resolve(parse(sql, 65_536), visible(admitted.policies)))))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of each table, without `__rank` (an engine deals ranks)."""

    people: tuple[tuple[Any, ...], ...]
    visits: tuple[tuple[Any, ...], ...]

    def without(self, unit: int) -> Rows:
        """The neighbour: every row of `unit` removed."""
        return Rows(
            tuple(r for r in self.people if r[0] != unit), tuple(r for r in self.visits if r[0] != unit)
        )

    @property
    def units(self) -> list[int]:
        return sorted({r[0] for r in (*self.people, *self.visits)})


def random_rows(seed: int, units: int, most_visits: int, *, clean: bool = False) -> Rows:
    """Rows with NULLs, values outside bounds and keys outside lists (unless `clean`)."""
    r = random.Random(seed)

    def maybe(value: Any, none: float = 0.15) -> Any:
        return None if r.random() < (0.1 if clean else none) else value

    def number(low: int, high: int) -> int:
        if not clean and r.random() < 0.15:
            return r.choice([-(2**63), 2**63 - 1, -(10**6), 10**6])
        return r.randint(low, high)

    def decimal(low: int, high: int, scale: int, digits: int) -> Decimal:
        if not clean and r.random() < 0.15:
            return Decimal(r.choice([-1, 1]) * (10**digits - 1)).scaleb(-scale)
        return Decimal(r.randint(low * 10**scale, high * 10**scale)).scaleb(-scale)

    def double() -> float:
        if not clean and r.random() < 0.2:
            return r.choice([float("nan"), float("inf"), float("-inf"), 1e308, -1e308])
        return r.randint(0, 800) / 4

    def key(values: str) -> str:
        return r.choice(values if clean else values + "?")

    def day() -> date:
        if not clean and r.random() < 0.1:
            return r.choice([date.min, date.max])
        return date(1990, 1, 1) + timedelta(days=r.randint(0, 12_000))

    people, visits = [], []
    for unit in range(1, units + 1):
        for _ in range(1 if clean else r.choice([0, 1, 1, 1, 2])):
            people.append(
                (
                    unit, unit, maybe(number(0, 100)), maybe(decimal(-5, 5, 2, 9)), maybe(double()),
                    maybe(r.random() < 0.5), maybe(key("abc")),
                    maybe(r.choice(["rome", "oslo", "罗马", "k'o"])),
                    maybe(day()), "s", maybe(number(0, 9)), maybe(key("xy")),
                )
            )  # fmt: skip
        for _ in range(r.randint(0, most_visits)):
            stamp = datetime.combine(day(), datetime.min.time()) + timedelta(
                minutes=r.randint(0, 1400) if clean else 0
            )
            visits.append(
                (
                    unit, unit, maybe(number(-50, 50)), maybe(key("pqrs")),
                    maybe(r.choice(["u", "v", "w", "x", "y"])),
                    maybe(decimal(0, 10, 3, 12)), maybe(number(-5, 5)), maybe(stamp),
                )
            )  # fmt: skip
    return Rows(tuple(people), tuple(visits))


@cache
def _database() -> duckdb.DuckDBPyConnection:
    # One thread: plain sums of DOUBLE, which answers are compared with, add up in one order then.
    return duckdb.connect(":memory:", config={"threads": "1"})


def engine(rows: Rows, seed: int = 0) -> duckdb.DuckDBPyConnection:
    """DuckDB with these rows; ranks are dealt at random within each unit, the same for the same unit."""
    connection = _database().cursor()
    for name, table in {"people": rows.people, "visits": rows.visits, **OPEN_ROWS}.items():
        schema = TABLES[name]
        ranked = [tuple(r) for r in table] if name in OPEN_ROWS else _ranked(name, tuple(table), seed)
        columns = list(zip(*ranked, strict=True)) if ranked else [()] * len(schema)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        connection.register(name, pa.table(arrays, schema=schema))
    return connection


def _ranked(name: str, table: tuple[tuple[Any, ...], ...], seed: int) -> list[tuple[Any, ...]]:
    by_unit: dict[int, list[tuple[Any, ...]]] = {}
    for row in table:
        by_unit.setdefault(row[0], []).append(row)
    ranked = []
    for number, (unit, own) in enumerate(sorted(by_unit.items())):
        order = list(range(len(own)))
        random.Random(f"{seed}/{name}/{unit}").shuffle(order)
        ranked += [(row[0], number, rank, *row[1:]) for rank, row in zip(order, own, strict=True)]
    return ranked


RELATIONS = {"w.people": "people", "w.visits": "visits", "w.regions": "regions", "w.cities": "cities"}


def exact_tables(
    question: Rewritten, connection: duckdb.DuckDBPyConnection, relations: dict[str, str] = RELATIONS
) -> list[pa.Table]:
    """The bounded, not yet noisy integers of each boundary, as they are executed."""
    read = {table.name for e in question.exact for table in e.tree.find_all(exp.Table)}
    units = {
        name: connection.sql(f"SELECT COUNT(DISTINCT __unit) FROM {relations[name]}").fetchall()[0][0]
        for name in read & {"w.people", "w.visits"}
    }
    trees = [by_bits(e.tree, e.boundary, units) for e in question.exact]
    return [connection.sql(sql_of(tree, relations)).to_arrow_table() for tree in trees]


def bucket_tables(question: Rewritten, connection: duckdb.DuckDBPyConnection) -> list[dict[str, pa.Table]]:
    """Of each boundary, the parts by size of the measures whose clamp is found privately."""
    return [
        {name: connection.sql(sql_of(tree, RELATIONS)).to_arrow_table() for name, tree in e.buckets}
        for e in question.exact
    ]


def rank_tables(
    question: Rewritten, connection: duckdb.DuckDBPyConnection, relations: dict[str, str] = RELATIONS
) -> tuple[tuple[pa.Table, ...], ...]:
    """The exact ranks of each boundary, one table for each of its trees."""
    return tuple(
        tuple(connection.sql(sql_of(t, relations)).to_arrow_table() for t in e.ranks) for e in question.exact
    )


@dataclass(frozen=True, slots=True)
class Silent:
    """Noise that is none: only tests can make one, and nothing in the product accepts it by name."""

    scale: float = 0.0

    def add(self, values: list[int], progress: object = None) -> list[int]:
        return list(values)


def planned(sql: str, world: Published) -> tuple[Rewritten, Priced]:
    """The question with a price that has no noise, rehearsed: all that can be refused is."""
    question = rewritten(sql, world)
    boundaries = tuple(
        PricedBoundary(b, tuple(Noise(m, Silent(), Decimal(1), 0) for m in b.vectors), 0)  # type: ignore[arg-type]
        for b in question.analyzed.boundaries
    )
    priced = Priced(question, Decimal(1), Loss(Decimal(1), Decimal(1), Decimal(0)), (), boundaries)
    rehearse(question, 30.0)
    return question, priced


def silent_answer(
    sql: str,
    world: Published,
    connection: duckdb.DuckDBPyConnection,
    relations: dict[str, str] = RELATIONS,
) -> Processed:
    """The answer with noise off."""
    question, priced = planned(sql, world)
    tables = {
        b.boundary.name: noisy_table(b, exact, ranks)
        for b, exact, ranks in zip(
            priced.boundaries,
            exact_tables(question, connection, relations),
            rank_tables(question, connection, relations),
            strict=True,
        )
    }
    tables = folded(tables, question.analyzed.folds)
    for o in question.analyzed.open_tables:
        tables[o.name] = connection.sql(sql_of(o.tree, relations)).to_arrow_table()
    return post_process(question, priced, Noised(tables), 30.0)
