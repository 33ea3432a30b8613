"""The clamps of one boundary, found from noisy counts; and its totals at these clamps, still exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sandbox.privacy.calibrate import Sensitivity, gaussian_for, laplace_for
from sandbox.privacy.mechanisms import Laplace
from sandbox.query.boundary import Boundary, Measure
from sandbox.query.buckets import BUCKET, COUNT, SIGNS, TOTAL
from sandbox.query.clamp import Search, choose
from sandbox.query.price import Noise, PricedBoundary
from sandbox.query.rewrite import SATURATED


def with_clamps(
    priced: PricedBoundary, exact: pa.Table, buckets: Mapping[str, pa.Table]
) -> tuple[PricedBoundary, pa.Table]:
    """The boundary with each clamp found and its noise set by it, and `exact` clamped accordingly.

    The choice sees the noisy counts alone. Its noise is drawn here, the totals' noise later.
    """
    noises = []
    for n in priced.noise:
        if n.search is None:
            noises.append(n)
            continue
        table = buckets[n.measure.name]
        noisy = n.search.mechanism.add(counts(table, n.search))
        clamp = n.search.grid[choose(noisy, n.search.grid, n.search.mechanism)]
        noises.append(at_clamp(n, clamp, priced.boundary.groups))
        column = _typed(totals(priced.boundary, exact, table, n.search.grid, clamp, n.measure), n.measure)
        exact = exact.set_column(exact.schema.get_field_index(n.measure.name), n.measure.name, column)
    return replace(priced, noise=tuple(noises)), exact


def counts(table: pa.Table, search: Search) -> list[int]:
    """How many parts are in each bucket, over all groups."""
    found = [0] * len(search.grid)
    for row in table.select([BUCKET, COUNT]).to_pylist():
        found[row[BUCKET]] += row[COUNT]
    return found


def at_clamp(n: Noise, clamp: int, groups: int) -> Noise:
    """The noise on the total once no part is beyond `clamp`; it spends the rest, whatever the clamp."""
    assert n.search is not None  # noqa: S101 -- only called for clamps that are found
    sensitivity = Sensitivity.bounded(groups, clamp, n.measure.in_all)
    kind = laplace_for if isinstance(n.mechanism, Laplace) else gaussian_for
    mechanism = kind(sensitivity, n.search.rest)
    found = replace(n.search, chosen=clamp)
    return replace(n, mechanism=mechanism, half_width=mechanism.half_width(), search=found)


def totals(
    boundary: Boundary, exact: pa.Table, table: pa.Table, grid: tuple[int, ...], clamp: int, m: Measure
) -> list[int]:
    """The total of each group of `exact` in whole units, each part held within [-clamp, clamp]."""
    scale = m.scale if m.decimal else 0
    found: dict[tuple[Any, ...], int] = {}
    columns = [table.column(k.name).to_pylist() for k in boundary.keys]
    parts = [table.column(name).to_pylist() for name in (BUCKET, TOTAL, SIGNS)]
    for at, (bucket, total, signs) in enumerate(zip(*parts, strict=True)):
        key = tuple(column[at] for column in columns)
        whole = int(total.scaleb(scale)) if grid[bucket] <= clamp else clamp * signs
        found[key] = found.get(key, 0) + whole
    keys = [exact.column(k.name).to_pylist() for k in boundary.keys]
    held = [found.get(tuple(column[at] for column in keys), 0) for at in range(exact.num_rows)]
    return [max(-SATURATED, min(SATURATED, value)) for value in held]


def _typed(units: list[int], m: Measure) -> pa.Array[Any]:
    whole = pa.array(units, pa.int64())
    if not m.decimal:
        return whole
    wide = whole.cast(pa.decimal128(38, 0))
    return pa.Array.from_buffers(pa.decimal128(38, m.scale), len(wide), wide.buffers())
