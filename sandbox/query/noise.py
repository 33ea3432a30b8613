"""Step 9, noise: OpenDP's integers on the exact ones; groups below the threshold fall away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.privacy.arrow import add_noise
from sandbox.query.agree import agreed
from sandbox.query.boundary import Measure, Measures
from sandbox.query.execute import Executed
from sandbox.query.families import Family, half_widths, variance
from sandbox.query.folds import folded
from sandbox.query.found import with_clamps
from sandbox.query.price import Priced, PricedBoundary, noise_of
from sandbox.query.quantiles import with_quantiles
from sandbox.query.steps import Steps


@dataclass(frozen=True, slots=True)
class Noised:
    """Tables that may be seen: noisy answers `noisy_<i>` and open tables `open_<i>`, by name.

    `priced`: the price, with the clamps that were found and the noise that follows from them.
    """

    tables: dict[str, pa.Table]
    priced: Priced | None = None


def noise(priced: Priced, executed: Executed, steps: Steps | None = None) -> Noised:
    """Find what clamps are to be found, then add the priced noise to every measure of every boundary.

    `steps` is told how far it is.
    """
    settled = [
        with_clamps(b, exact, buckets)
        for b, exact, buckets in zip(priced.boundaries, executed.boundaries, executed.buckets, strict=True)
    ]
    by_name = {b.boundary.name: b for b, _ in settled}
    drawn = {b.boundary.name: _drawn(b, exact, steps) for b, exact in settled}
    drawn = _agreeing(drawn, by_name, priced.rewritten.analyzed.families)
    tables = {
        name: _shown(b, drawn[name], ranks)
        for (name, b), ranks in zip(by_name.items(), executed.ranks, strict=True)
    }
    tables = folded(tables, priced.rewritten.analyzed.folds)
    opens = zip(priced.rewritten.analyzed.open_tables, executed.open_tables, strict=True)
    tables |= {o.name: table for o, table in opens}
    return Noised(tables, replace(priced, boundaries=tuple(b for b, _ in settled)))


def noisy_table(priced: PricedBoundary, exact: pa.Table, ranks: Sequence[pa.Table] = ()) -> pa.Table:
    """Keys, then noisy measures, then quantiles and their half-widths. Order depends on keys alone.

    Keys that only the data knows are kept where the noisy count of units reaches the threshold; public
    keys are always kept, with NULL measures where that count lies below the policy's floor.
    """
    return _shown(priced, _drawn(priced, exact), ranks)


def _drawn(priced: PricedBoundary, exact: pa.Table, steps: Steps | None = None) -> pa.Table:
    """Keys and noisy measures of every group."""
    columns: dict[str, pa.Array[Any] | pa.ChunkedArray[Any]] = {
        k.name: exact.column(k.name) for k in priced.boundary.keys
    }
    measured = [n for n in priced.noise if n.measure.kind is not Measures.RANKS]
    for n in measured:
        progress = None if steps is None else steps.vector(exact.num_rows)
        noisy = add_noise(n.mechanism, whole_units(exact.column(n.measure.name), n.measure), progress)
        columns[n.measure.name] = scaled(noisy, n.measure)
    return pa.table(columns) if columns else exact


def _agreeing(
    drawn: dict[str, pa.Table], priced: Mapping[str, PricedBoundary], families: Sequence[Family]
) -> dict[str, pa.Table]:
    """Levels of one GROUP BY whose numbers add up, where that makes none of them worse."""
    for family in families:
        for names in family.shared:
            own = {level: noise_of(priced[level], measure) for level, measure in names.items()}
            variances = {level: variance(n.mechanism) for level, n in own.items()}
            if half_widths(family, {k: (v, own[k].half_width) for k, v in variances.items()}) is None:
                continue
            noisy = {
                level: whole_units(drawn[level].column(n.measure.name), n.measure).to_numpy(False)
                for level, n in own.items()
            }
            for level, better in agreed(family, noisy, variances).items():
                n, table = own[level], drawn[level]
                i = table.schema.get_field_index(n.measure.name)
                column = scaled(pa.array(better, pa.int64()), n.measure)
                drawn[level] = table.set_column(i, n.measure.name, column)
    return drawn


def _shown(priced: PricedBoundary, table: pa.Table, ranks: Sequence[pa.Table]) -> pa.Table:
    if not priced.boundary.keys or priced.threshold <= 0:
        return with_quantiles(priced, table, ranks)
    units = priced.boundary.units
    assert units is not None  # noqa: S101 -- a threshold always comes with a count of units
    enough = pc.greater_equal(table.column(units.name), pa.scalar(priced.threshold, pa.int64()))
    if priced.boundary.selects:
        return with_quantiles(priced, table.filter(enough), ranks)
    table = with_quantiles(priced, table, ranks)
    for i, name in enumerate(table.column_names):
        if i >= len(priced.boundary.keys):
            table = table.set_column(i, name, emptied(table.column(i), enough))
    return table


def emptied(column: pa.ChunkedArray[Any], kept: pa.BooleanArray) -> pa.Array[Any]:
    """`column` with NULL where it is not kept, made anew: Arrow leaves the number itself beneath a NULL."""
    cells = zip(column.to_pylist(), kept.to_pylist(), strict=True)
    made: pa.Array[Any] = pa.array([cell if keep else None for cell, keep in cells], column.type)
    return made


def whole_units(column: pa.ChunkedArray[Any], measure: Measure) -> pa.Int64Array:
    """An exact measure as int64 of its integer units; the engine held it within ±4e18."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if not measure.decimal:
        return cast(pa.Int64Array, array.cast(pa.int64()))
    # DECIMAL(38, s) is 128-bit units of 10**-s: read the same bytes as DECIMAL(38, 0).
    whole = pa.Array.from_buffers(pa.decimal128(38, 0), len(array), array.buffers(), offset=array.offset)
    return cast(pa.Int64Array, whole.cast(pa.int64()))


def scaled(noisy: pa.Int64Array, measure: Measure) -> pa.Array[Any]:
    """Noisy units as the measure's own type: int64, or DECIMAL(38, scale)."""
    if not measure.decimal:
        return noisy
    wide = noisy.cast(pa.decimal128(38, 0))
    return pa.Array.from_buffers(
        pa.decimal128(38, measure.scale), len(wide), wide.buffers(), offset=wide.offset
    )
