"""Cells made of noisy counts (`histograms.py`): a map of value and count, or the value that is counted most.

It is post-processing: of released counts, declared values and their order, nothing else.

- A map holds every public value in the declared order, also with a count below 0. Where only the data knows
  the groups, it holds the values whose own count of units passed the threshold; under a policy's least
  group, NULL stands for a count that may not be shown.
- MODE is the value with the greatest noisy count, the first of several; NULL where no count is above 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sandbox.query.arrow_types import arrow_type
from sandbox.query.histograms import Fold, Reading

Counts = list[tuple[int, int | None]]  # number of a value, and how often it is counted


def cell_type(fold: Fold) -> pa.DataType:
    """The type of its column."""
    label = arrow_type(fold.by.typed)
    return pa.map_(label, pa.int64()) if fold.reading is Reading.HISTOGRAM else label


def folded(tables: Mapping[str, pa.Table], folds: Sequence[Fold]) -> dict[str, pa.Table]:
    """The noisy tables, those that have cells with a column for each."""
    found = dict(tables)
    for fold in folds:
        table = found[fold.table]
        counts = _by_group(fold, tables[fold.source])
        keys = [table.column(name).to_pylist() for name in table.column_names if name.startswith("k")]
        groups = zip(*keys, strict=True) if keys else [()]
        read = _map if fold.reading is Reading.HISTOGRAM else _mode
        cells = [read(fold, counts.get(group, [])) for group in groups]
        found[fold.table] = table.append_column(fold.name, pa.array(cells, cell_type(fold)))
    return found


def _by_group(fold: Fold, source: pa.Table) -> dict[tuple[Any, ...], Counts]:
    keys = [source.column(name).to_pylist() for name in source.column_names if name.startswith("k")]
    places = {value: i for i, value in enumerate(fold.by.key.keys or ())}
    found: dict[tuple[Any, ...], Counts] = {}
    counted = source.column(fold.measure).to_pylist()
    for *group, value, count in zip(*keys, counted, strict=True):
        found.setdefault(tuple(group), []).append((places[value], count))
    return {group: sorted(counts) for group, counts in found.items()}


def _map(fold: Fold, counts: Counts) -> list[tuple[Any, int | None]]:
    return [(fold.by.labels[at], count) for at, count in counts]


def _mode(fold: Fold, counts: Counts) -> Any:
    seen = [(count, -at) for at, count in counts if count is not None and count > 0]
    return fold.by.labels[-max(seen)[1]] if seen else None
