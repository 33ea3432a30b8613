"""Raw batches to rows of the declared types; a row that does not fit becomes a bad record.

Rules
- A value that is not of the declared type, and a null where the policy says `nullable: false`, set the
  whole row aside, with the first such column (in the policy's order) as the reason.
- `between` sets nothing aside: values outside are clamped in arithmetic.
- `values` sets nothing aside: such rows belong to no public group.
- Unless `checks: only_declared` names the column: then the row is set aside.
- Texts are stored as they came, as valid UTF-8 without NUL; they are not normalised.
- Decimals with more decimals than declared are rounded half to even, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.cast import Cast, Mask, cast
from sandbox.ingest.declared import Declared
from sandbox.ingest.schema import arrow_type, type_name
from sandbox.ingest.source import RawBatch, set_aside
from sandbox.policy.types import ColumnPolicy

NULL = "null, but the column is not nullable"


@dataclass(slots=True)
class Tally:
    """What validation did so far, for the operator: rounded values, by column."""

    rounded: Counter[str] = field(default_factory=Counter)


class Validator:
    """Checks the batches of one load."""

    def __init__(self, columns: Mapping[str, ColumnPolicy], only_declared: Collection[str] = ()) -> None:
        self._columns = dict(columns)
        self._only_declared = {name: Declared(columns[name]) for name in only_declared}
        self.schema = pa.schema([pa.field(name, arrow_type(column)) for name, column in columns.items()])
        self.tally = Tally()

    def check(self, batch: RawBatch) -> RawBatch:
        """The batch with typed columns, in the policy's order, and its misfits as bad records.

        Raises:
            SandboxError: LOAD_REFUSED for a column of the source whose type has no values to cast.

        """
        casts = {name: self._cast(name, batch) for name in self._columns}
        at_fault = np.zeros(batch.rows.num_rows, np.bool_)
        faults: list[tuple[str, str, Mask]] = []
        for name, policy in self._columns.items():
            for reason, wrong in _faults(casts[name], policy, self._only_declared.get(name)):
                fresh = wrong & ~at_fault
                if fresh.any():
                    faults.append((name, reason, fresh))
                    at_fault |= fresh
        for name, done in casts.items():
            self.tally.rounded[name] += done.rounded
        rows = pa.RecordBatch.from_arrays([done.values for done in casts.values()], schema=self.schema)
        if not faults:
            return RawBatch(rows, batch.records, batch.part, batch.bytes_done, batch.bad)
        bad = batch.bad
        for name, reason, wrong in faults:
            bad += set_aside(batch, wrong, name, reason).bad[len(batch.bad) :]
        right = ~at_fault
        return RawBatch(rows.filter(pa.array(right)), batch.records[right], batch.part, batch.bytes_done, bad)

    def _cast(self, name: str, batch: RawBatch) -> Cast:
        policy = self._columns[name]
        try:
            return cast(batch.rows.column(name), policy)
        except pa.ArrowException:
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"Column {name} of the source has the type {batch.rows.schema.field(name).type}, "
                f"which cannot become {type_name(policy)}.",
                "Convert it at the source, or declare another type in the policy.",
            ) from None


def _faults(done: Cast, policy: ColumnPolicy, declared: Declared | None) -> list[tuple[str, Mask]]:
    faults: list[tuple[str, Mask]] = []
    if done.wrong is not None:
        faults.append((f"not of type {type_name(policy)}", done.wrong))
    if not policy.nullable and done.values.null_count:
        faults.append((NULL, done.values.is_null().to_numpy(zero_copy_only=False)))
    if declared is not None:
        faults += declared.faults(done.values)
    return faults
