"""What a load would do, told before it: columns, a few rows, what would be set aside, what the policy lacks.

Only the head of the source is read, and nothing is written, not even to the log: the operator could open the
source itself. The rows and everything counted here are for the operator's eyes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sandbox.identity import Actor, Role
from sandbox.ingest.classify import Classified, classify
from sandbox.ingest.header_check import check_header
from sandbox.ingest.infer import columns_block, infer
from sandbox.ingest.load import check_columns
from sandbox.ingest.schema import type_name
from sandbox.ingest.source import RawBatch, Source
from sandbox.ingest.validate import Validator
from sandbox.ingest.written_advice import spellings
from sandbox.policy.types import ColumnPolicy
from sandbox.service.home import Home, need
from sandbox.service.loading import opened
from sandbox.service.reports import LoadPlan, LoadRequest

SHOWN_ROWS = 5
CHECKED_ROWS = 10_000
LONGEST_CELL = 40


def plan(home: Home, actor: Actor, request: LoadRequest) -> LoadPlan:
    """What a load would do, or, for a table that no policy names, the columns that its policy might declare.

    Reads the head of the source, stores nothing.

    Raises:
        SandboxError: ROLE_REFUSED, SOURCE_UNREADABLE, ARGUMENT; LOAD_REFUSED when columns are missing, or no
            watermark says where an increment begins.

    """
    need(actor, Role.OPERATOR, "Loading data")
    source = opened(home, request).source
    version = home.registry.snapshot().policies.get(request.dataset)
    rules = None if version is None else version.content.tables.get(request.table)
    if rules is None:
        check_header(source)
        suggested = infer(source)
        head = _head(source, tuple(suggested))
        return LoadPlan(
            dataset=request.dataset,
            table=request.table,
            source=source.describe().uri,
            columns=tuple((name, type_name(column)) for name, column in suggested.items()),
            left_out=(),
            suggestion=columns_block(suggested),
            rows=_shown(head),
            checked=_records(head),
            misfits=_misfits(head, suggested),
            spellings=_spellings(head),
            looks_like=_sensitive(source),
        )
    left_out = check_columns(rules, source.columns())
    head = _head(source, tuple(rules.columns))
    return LoadPlan(
        dataset=request.dataset,
        table=request.table,
        source=source.describe().uri,
        left_out=left_out,
        columns=tuple((name, type_name(column)) for name, column in rules.columns.items()),
        rows=_shown(head),
        checked=_records(head),
        misfits=_misfits(head, rules.columns),
        looks_like=_sensitive(source),
    )


def _head(source: Source, columns: tuple[str, ...]) -> tuple[RawBatch, ...]:
    """The first batches, about `CHECKED_ROWS` records."""
    found: list[RawBatch] = []
    for batch in source.batches(columns):
        found.append(batch)
        if _records(found) >= CHECKED_ROWS:
            break
    return tuple(found)


def _records(head: Sequence[RawBatch]) -> int:
    return sum(len(batch.records) + len(batch.bad) for batch in head)


def _sensitive(source: Source) -> tuple[Classified, ...]:
    return tuple(found for found in classify(source) if found.kind is not None)


def _shown(head: tuple[RawBatch, ...]) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    for batch in head:
        few = batch.rows.slice(0, SHOWN_ROWS - len(rows))
        rows += [tuple(_cell(value) for value in row) for row in zip(*map(_texts, few.columns), strict=True)]
    return tuple(rows)


def _texts(column: pa.Array[Any]) -> list[object]:
    try:
        return list(column.cast(pa.string()).to_pylist())
    except pa.ArrowException:
        return [f"({column.type})"] * len(column)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def _spellings(head: tuple[RawBatch, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not head:
        return ()
    rows = pa.Table.from_batches([batch.rows for batch in head])
    return spellings({name: rows.column(name).combine_chunks() for name in rows.column_names})


def _misfits(head: tuple[RawBatch, ...], columns: Mapping[str, ColumnPolicy]) -> tuple[tuple[str, int], ...]:
    validator = Validator(columns)
    counted: Counter[str] = Counter()
    for batch in head:
        for bad in validator.check(batch).bad:
            counted[f"{bad.column}: {bad.reason}" if bad.column else bad.reason] += 1
    return tuple(counted.most_common())
