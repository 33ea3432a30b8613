"""The rows of one load on their way in: read ahead, checked, given their unit; bad records set aside."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing

import pyarrow as pa

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.ahead import ahead
from sandbox.ingest.checks import Checks
from sandbox.ingest.quarantine import Quarantine
from sandbox.ingest.report import MOST_BAD_SHARE, LoadLimits, Progress
from sandbox.ingest.rows import UnitColumn
from sandbox.ingest.source import RawBatch, Source
from sandbox.ingest.validate import Validator
from sandbox.policy.types import TablePolicy

_REASONS_SHOWN = 3


class Reading:
    """Reads a source once; setting `stop` ends that soon, in whatever thread it runs.

    Args:
        source: what to read.
        table: the policy's table, all of whose columns the source has.
        checks: declared keys and foreign keys.
        units: who a row belongs to; None for an open table.
        quarantine: where bad records go.
        limits: when to refuse.
        progress: called after each batch, from the thread that reads.
        may_be_empty: whether no rows are an answer, too, as of an increment.

    Attributes:
        types: Arrow types of the columns as the source gives them, once the first batch came.

    """

    def __init__(
        self,
        source: Source,
        table: TablePolicy,
        checks: Checks,
        units: UnitColumn | None,
        quarantine: Quarantine,
        limits: LoadLimits,
        progress: Progress | None,
        *,
        may_be_empty: bool = False,
    ) -> None:
        self.limits = limits
        self._source = source
        self._columns = tuple(table.columns)
        self._checks = checks
        self._units = units
        self._quarantine = quarantine
        self._progress = progress
        self._may_be_empty = may_be_empty
        self._validator = Validator(table.columns, table.checks.only_declared)
        self.types: Mapping[str, str] = {}
        self.stop = threading.Event()
        self._good = 0
        self._stored = 0
        described = source.describe()
        self._hash = None if described.digest or described.hashes else hashlib.sha256()

    @property
    def schema(self) -> pa.Schema:
        """Of the checked rows, without unit and rank."""
        return self._validator.schema

    @property
    def digest(self) -> str | None:
        """Digest of the source: the connector's, else of the records as they were read, once all were."""
        known = self._source.describe().digest
        return known if self._hash is None else f"records-sha256:{self._hash.hexdigest()}"

    def rounded(self) -> Mapping[str, int]:
        """Decimals that were rounded, by column."""
        return {name: count for name, count in self._validator.tally.rounded.items() if count}

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The rows to store, with `__unit` if the table is protected.

        Raises:
            SandboxError: SOURCE_UNREADABLE; LOAD_REFUSED when there are too many bad records, or when
                nothing is left to store; STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        size = self._source.describe().size
        with closing(ahead(self._checked())) as batches:
            for batch in batches:
                if self.stop.is_set():
                    return
                self._quarantine.add(batch.bad)
                self._good += batch.rows.num_rows
                self._check_most_bad()
                rows = batch.rows if self._units is None else self._units.append(batch.rows)
                self._stored += rows.num_rows
                if self._progress is not None:
                    self._progress(self._good + self._quarantine.count, batch.bytes_done, size)
                yield rows
        self._check_whole()
        self._checks.finish()

    def _checked(self) -> Iterator[RawBatch]:
        # Both in the thread that reads: this halves the work between two threads.
        for raw in self._source.batches(self._columns):
            if not self.types:
                self.types = {field.name: str(field.type) for field in raw.rows.schema}
            if self._hash is not None:
                self._hash.update(raw.rows.serialize())
            yield self._checks.check(self._validator.check(raw))

    def _check_most_bad(self) -> None:
        most = self.limits.max_bad_rows
        if most is not None and self._quarantine.count > most:
            raise self._refused(f"More than {most} records of the source do not fit the policy.")

    def _check_whole(self) -> None:
        bad = self._quarantine.count
        if self._may_be_empty and not bad:
            return
        if not self._good + bad:
            raise self._refused("The source holds no records.")
        if not self._good:
            raise self._refused("No record of the source fits the policy.")
        if self.limits.max_bad_rows is None and bad > MOST_BAD_SHARE * (self._good + bad):
            raise self._refused("More than a tenth of the records of the source do not fit the policy.")
        if not self._stored and not self._may_be_empty:
            raise self._refused("No row of the source belongs to a unit, and the policy drops such rows.")

    def _refused(self, message: str) -> SandboxError:
        shown = [
            f"{reason.column or 'record'}: {reason.reason} ({reason.count} times, first in {reason.first})"
            for reason in self._quarantine.reasons()[:_REASONS_SHOWN]
        ]
        if not shown:
            return SandboxError(ErrorCode.LOAD_REFUSED, message, "Check that the right file was named.")
        hint = "; ".join(shown) + ". Correct the source, the options or the policy; max-bad-rows allows more."
        return SandboxError(ErrorCode.LOAD_REFUSED, message, hint)
