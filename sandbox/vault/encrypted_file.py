"""One encrypted Parquet file: written, proved to be encrypted, and opened again only if it is the same."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from io import BufferedWriter, FileIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.parquet import encryption as pe

from sandbox.catalog.model import StoredColumn, StoredFile
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.digest import VERIFIED, HashingFile
from sandbox.vault.durable import flush_folder, unwritable
from sandbox.vault.keyring import Grade, Keyring
from sandbox.vault.kms import crypto_factory
from sandbox.vault.layout import column_keys
from sandbox.vault.material import material_is_sound

MATERIAL_PREFIX = "_KEY_MATERIAL_FOR_"
MATERIAL_SUFFIX = ".json"
FOOTER_ONLY: tuple[Grade, ...] = ("footer",)


def material_path(path: Path) -> Path:
    """Where PyArrow's key tools keep the wrapped data keys of the file at `path`."""
    return path.with_name(f"{MATERIAL_PREFIX}{path.name}{MATERIAL_SUFFIX}")


class FileWriter:
    """Writes one file. `finish` makes it durable and returns what the catalog needs.

    Args:
        home: folder of the instance; the stored path is relative to it.
        path: the new file, in a folder that nobody else may enter.
        schema: physical schema.
        keyring: open keyring.
        dataset: whose keys to use.
        columns: the same columns, with their key classes.

    Raises:
        SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

    """

    def __init__(
        self,
        home: Path,
        path: Path,
        *,
        schema: pa.Schema,
        keyring: Keyring,
        dataset: str,
        columns: tuple[StoredColumn, ...],
    ) -> None:
        self.rows = 0
        self._path = path
        self._place = path.relative_to(home).as_posix()
        self._keyring, self._dataset = keyring, dataset
        self._file: BufferedWriter | None = None
        factory = crypto_factory(keyring, dataset)
        settings = pe.EncryptionConfiguration(
            keyring.key_encryption_key(dataset, "footer").id,
            column_keys=column_keys(keyring, dataset, columns),
            encryption_algorithm="AES_GCM_V1",
            plaintext_footer=False,
            double_wrapping=False,
            internal_key_material=False,
            data_key_length_bits=256,
        )
        try:
            properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), settings, str(path))
            material_path(path).chmod(0o600)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            self._file = os.fdopen(handle, "wb")
            self._hashing = HashingFile(self._file)
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._hashing, mode="w"),
                schema,
                compression="zstd",
                # Whole columns are read: nobody would look at least and greatest values of their parts.
                write_statistics=False,
                encryption_properties=properties,
                store_decimal_as_integer=True,
            )
        except OSError as error:
            self.abandon()
            raise unwritable(self._place, error) from None

    def write(self, group: pa.Table) -> None:
        """Write one row group."""
        try:
            self._writer.write_table(group, row_group_size=max(1, group.num_rows))
        except OSError as error:
            raise unwritable(self._place, error) from None
        self.rows += group.num_rows

    def finish(self) -> StoredFile:
        """Close the file, flush it and its key material to the disk, and prove its encryption."""
        assert self._file is not None  # noqa: S101 - set by the constructor
        try:
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            with material_path(self._path).open("rb") as material:
                os.fsync(material.fileno())
            flush_folder(self._path.parent)
        except OSError as error:
            raise unwritable(self._place, error) from None
        self._prove_every_column_encrypted()
        return StoredFile(self._place, self._hashing.hexdigest(), self._hashing.size)

    def abandon(self) -> None:
        """Let go of the file; the caller removes its folder."""
        if self._file is not None:
            with suppress(OSError):  # a full disk refuses what is still buffered; it is not wanted any more
                self._file.close()

    def _prove_every_column_encrypted(self) -> None:
        # PyArrow writes a column in plaintext, without a word, when its name is not matched.
        with self._path.open("rb", buffering=0) as file:
            parquet = open_parquet(file, self._path, self._keyring, self._dataset, FOOTER_ONLY)
            for name in parquet.schema_arrow.names if parquet.num_row_groups else ():
                try:
                    parquet.read_row_group(0, columns=[name])
                except SandboxError as error:
                    if error.code is ErrorCode.KEY_REFUSED:
                        continue
                    raise
                raise SandboxError(
                    ErrorCode.INTERNAL,
                    f"A column of {self._place} would have been stored without a key of its own.",
                    "Nothing was kept. Report this.",
                )


def open_parquet(
    file: FileIO,
    path: Path,
    keyring: Keyring,
    dataset: str,
    grades: Collection[Grade],
    coded: Sequence[str] = (),
) -> pq.ParquetFile:
    """The Parquet file in `file`, with the keys of `grades`; `path` leads to its key material.

    `coded`: physical names of texts that are read as dictionary arrays.

    Raises:
        ValueError: the key material is not what was written.

    """
    if not material_is_sound(material_path(path), keyring, dataset, grades):
        raise ValueError("altered key material")
    properties = crypto_factory(keyring, dataset, grades).file_decryption_properties(
        pe.KmsConnectionConfig(), pe.DecryptionConfiguration(), str(path)
    )
    return pq.ParquetFile(
        pa.PythonFile(file, mode="r"), decryption_properties=properties, read_dictionary=list(coded)
    )


def open_verified(home: Path, stored: StoredFile) -> FileIO:
    """The file that the catalog means, open for reading.

    Raises:
        SandboxError: STORAGE_CORRUPT when it is missing or not the same byte for byte.

    """
    try:
        file = (home / stored.path).open("rb", buffering=0)
    except OSError:
        raise storage_corrupt(stored) from None
    try:
        if VERIFIED.matches(str(home / stored.path), file, stored.digest, stored.size):
            return file
    except OSError:
        pass
    file.close()
    raise storage_corrupt(stored)


def storage_corrupt(stored: StoredFile) -> SandboxError:
    """A stored file is not what was committed."""
    return SandboxError(
        ErrorCode.STORAGE_CORRUPT,
        f"{stored.path} or its key material is missing, damaged, or not the file that was committed.",
        "Restore both from a backup, or load the table again.",
    )
