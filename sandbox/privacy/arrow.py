"""Noise on Arrow arrays. Apart from the mechanisms, so that pricing a question never reaches Arrow."""

from __future__ import annotations

from typing import cast

import pyarrow as pa

from sandbox.privacy.mechanisms import Mechanism, Progress


def add_noise(mechanism: Mechanism, values: pa.Int64Array, progress: Progress | None = None) -> pa.Int64Array:
    """`values` (no nulls, within 2**62) with independent noise on each.

    Raises:
        ValueError: another type than int64, a null, or a value outside 2**62.

    """
    if values.type != pa.int64() or values.null_count:
        raise ValueError("noise is added to int64 without nulls")
    return pa.array(mechanism.add(cast("list[int]", values.to_pylist()), progress), pa.int64())
