"""Encrypted Parquet: the only form in which protected rows touch a disk.

Rules
- AES-GCM for every module (`AES_GCM_V1`), encrypted footer, 256-bit data keys, fresh for every column
  of every file; every column has a key of its class, proved on the finished file.
- Data keys lie beside the file (`_KEY_MATERIAL_FOR_….json`), wrapped by key-encryption keys of the
  keyring: rotation rewrites that and never the data (docs/adr/0001-key-material.md).
- A file is read only after its size and SHA-256 were those of the catalog: a swapped or rolled-back
  file is noticed, and no parser meets bytes that we did not write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.catalog.model import StoredColumn, StoredFile, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.encrypted_file import FileWriter, open_parquet, open_verified, storage_corrupt
from sandbox.vault.folders import new_version_folder, remove_version_folder
from sandbox.vault.keyring import GRADES, Grade, Keyring
from sandbox.vault.kms import key_refused
from sandbox.vault.layout import physical_name, physical_schema, stored_columns
from sandbox.vault.lock import loading

ROWS_PER_GROUP = 491_520
BYTES_PER_GROUP = 256 * 1024 * 1024
ROWS_PER_FILE = 40 * ROWS_PER_GROUP
BATCH_ROWS = 122_880
# Texts of at most so many values are decoded faster as codes; those of many, much slower.
FEW_VALUES = 1024


class EncryptedWriter:
    """Writes the files of one new version of one table; memory holds one row group.

    Use it as a context manager: leaving normally makes everything durable, leaving by an exception
    removes the folder. `files` and `columns` are for the catalog's `TableVersion`. Hold
    `sandbox.vault.lock.loading(home)` from `Catalog.next_version` to `Catalog.commit` around it.

    Args:
        home: folder of the instance.
        keyring: open keyring; keys of the dataset are made at first use.
        dataset: name of the dataset.
        table: name of the table.
        version: number of the version.
        schema: columns in their order; metadata is not kept.
        grades: key class by column name; a column that is absent is `restricted`.
        rows_per_file: a new file begins after so many rows.

    Raises:
        SandboxError: LOAD_REFUSED (a column that cannot be stored), STORAGE_FULL, STORAGE_UNWRITABLE,
            SERVICE_BUSY (keys are being rotated).

    """

    def __init__(
        self,
        home: Path,
        keyring: Keyring,
        *,
        dataset: str,
        table: str,
        version: int,
        schema: pa.Schema,
        grades: Mapping[str, Grade],
        rows_per_file: int = ROWS_PER_FILE,
    ) -> None:
        self.columns: tuple[StoredColumn, ...] = stored_columns(schema, grades)
        self.rows = 0
        self._home = home
        self._keyring = keyring
        self._dataset, self._table, self._version = dataset, table, version
        self._schema = schema.remove_metadata()
        self._physical = physical_schema(schema)
        self._rows_per_file = rows_per_file
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0
        self._done: list[StoredFile] = []
        self._part: FileWriter | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(loading(self._home))
            self._folder = new_version_folder(self._home, self._dataset, self._table, self._version)
            self._lock = stack.pop_all()
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows.

        Raises:
            ValueError: names or types are not those of the schema.
            SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        if batch.schema.names != self._schema.names or batch.schema.types != self._schema.types:
            raise ValueError("the batch has another schema than the writer")
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        if self._held_rows >= ROWS_PER_GROUP or self._held_bytes >= BYTES_PER_GROUP:
            self._write_group()

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The finished files, in order; complete after the context was left."""
        return tuple(self._done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write_group()
                self._finish_part()
        except BaseException:
            self._discard()
            raise
        else:
            if kind is not None:
                self._discard()
        finally:
            self._lock.close()

    def _write_group(self) -> None:
        if self._part is None:
            self._part = self._new_part()
        if self._held_rows:
            group = pa.Table.from_batches([one.cast(self._schema) for one in self._held], self._schema)
            self._held.clear()
            self._part.write(group.rename_columns(self._physical.names))
            self.rows += self._held_rows
        self._held_rows = self._held_bytes = 0
        if self._part.rows >= self._rows_per_file:
            self._finish_part()

    def _new_part(self) -> FileWriter:
        path = self._folder / f"part-{len(self._done):05d}.parquet"
        return FileWriter(
            self._home,
            path,
            schema=self._physical,
            keyring=self._keyring,
            dataset=self._dataset,
            columns=self.columns,
        )

    def _finish_part(self) -> None:
        if self._part is not None:
            self._done.append(self._part.finish())
            self._part = None

    def _discard(self) -> None:
        if self._part is not None:
            self._part.abandon()
        with suppress(OSError):  # what stays is marked, and the next sweep removes it
            remove_version_folder(self._folder)


def read_batches(
    home: Path,
    keyring: Keyring,
    version: TableVersion,
    columns: Sequence[str],
    *,
    grades: Collection[Grade] = GRADES,
    batch_rows: int = BATCH_ROWS,
    coded: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Rows of `version` in stored order, only `columns` and in that order; memory holds one row group.

    Args:
        home: folder of the instance.
        keyring: open keyring.
        version: from the catalog.
        columns: at least one name.
        grades: key classes that this reader holds.
        batch_rows: most rows of one batch.
        coded: give texts of few values as dictionary arrays; which ones is decided file by file.

    Raises:
        SandboxError: STORAGE_CORRUPT (names the file), KEY_REFUSED (a column of another class),
            KEYS_ROTATED.
        KeyError: the version has no such column.

    """
    known = {column.name: column for column in version.columns}
    wanted = [known[name] for name in columns]
    if not wanted:
        raise ValueError("no column is asked for")
    if any(column.grade not in grades for column in wanted):
        raise key_refused()
    return _batches(
        home,
        keyring,
        version,
        wanted,
        grades=frozenset({*grades, "footer"}),
        batch_rows=batch_rows,
        coded=coded,
    )


def _batches(
    home: Path,
    keyring: Keyring,
    version: TableVersion,
    wanted: list[StoredColumn],
    *,
    grades: frozenset[Grade],
    batch_rows: int,
    coded: bool,
) -> Iterator[pa.RecordBatch]:
    names = [physical_name(column.name) for column in wanted]
    types = [column.arrow_type for column in wanted]
    for stored in version.files:
        with open_verified(home, stored) as file:
            try:
                opened = partial(open_parquet, file, home / stored.path, keyring, version.dataset, grades)
                parquet = _coded(opened, wanted) if coded else opened([])
                batches = parquet.iter_batches(batch_rows, columns=names)
                if not parquet.num_row_groups:
                    # A table without rows still has columns.
                    batches = iter([pa.RecordBatch.from_pylist([], parquet.schema_arrow)])
                while (batch := next(batches, None)) is not None:
                    ordered = batch.select(names)
                    if [_type_name(kind) for kind in ordered.schema.types] != types:
                        raise storage_corrupt(stored)
                    yield ordered.rename_columns([column.name for column in wanted])
            except MemoryError:
                raise
            except SandboxError as error:
                # The classes were checked before: a refused key now means altered key material.
                raise (storage_corrupt(stored) if error.code is ErrorCode.KEY_REFUSED else error) from None
            except Exception:
                raise storage_corrupt(stored) from None


def _coded(opened: Callable[[list[str]], pq.ParquetFile], wanted: list[StoredColumn]) -> pq.ParquetFile:
    """The file, its texts as codes where the first dictionary, that of the first row group, is small."""
    texts = [physical_name(column.name) for column in wanted if column.arrow_type == str(pa.string())]
    parquet = opened(texts)
    few: list[str] = []
    if texts and parquet.num_row_groups:
        first = next(parquet.iter_batches(1, row_groups=[0], columns=texts))
        codes = {name: cast("pa.DictionaryArray[Any, Any]", first.column(name)) for name in texts}
        few = [name for name, column in codes.items() if len(column.dictionary) <= FEW_VALUES]
    return parquet if few == texts else opened(few)


def _type_name(kind: pa.DataType) -> str:
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)
