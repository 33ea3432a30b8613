"""How a version's columns are named and typed inside its encrypted files.

PyArrow takes the columns to encrypt as text (`key: name, name; key: name`) and reads a dot in a name
as a path into a nested column; a column that the text does not name correctly would be written in
plaintext. So the five characters that could confuse it are percent-encoded, and nested columns are refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from sandbox.catalog.model import StoredColumn
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.keyring import Grade, Keyring

MEANT = frozenset("%,;:.")


def physical_name(name: str) -> str:
    """The column's name inside the file; different names stay different."""
    return "".join(
        "".join(f"%{byte:02X}" for byte in char.encode()) if char in MEANT or char.isspace() else char
        for char in name
    )


def physical_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` as it is written: no metadata of any kind.

    Raises:
        SandboxError: LOAD_REFUSED for no column, a nested or dictionary type, an empty name, or two
            names that differ in upper and lower case only.

    """
    folded = [name.casefold() for name in schema.names]
    if not folded or len(set(folded)) < len(folded) or "" in folded:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            "A table needs columns, each with a name of its own (upper and lower case are the same).",
            "Rename the columns at the source.",
        )
    for field in schema:
        if pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type):
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"Column {field.name} has the type {field.type}, which cannot be stored.",
                "Flatten it into columns of plain values.",
            )
    return pa.schema([pa.field(physical_name(field.name), field.type, field.nullable) for field in schema])


def stored_columns(schema: pa.Schema, grades: Mapping[str, Grade]) -> tuple[StoredColumn, ...]:
    """The columns for the catalog; one without a grade is `restricted`."""
    return tuple(
        StoredColumn(field.name, str(field.type), grades.get(field.name, "restricted")) for field in schema
    )


def column_keys(
    keyring: Keyring, dataset: str, columns: tuple[StoredColumn, ...]
) -> dict[str, str | list[str]]:
    """Key-encryption key ids to the physical names of *every* column."""
    keys: dict[str, list[str]] = {}
    for column in columns:
        grade: Grade = "open" if column.grade == "open" else "restricted"
        key = keyring.key_encryption_key(dataset, grade).id
        keys.setdefault(key, []).append(physical_name(column.name))
    return dict(keys)
