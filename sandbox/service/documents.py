"""An answer as a document: the same JSON, Arrow stream and CSV whichever face writes it.

JSON has `rows` and `half_widths` of the same shape, one list per row, in the order of `columns`.
Decimals are strings, dates and times ISO 8601, bytes base64; NaN and infinity are null. A map (of HISTOGRAM)
is an object whose names are its keys as text; its half-width is that of each of its counts.

Arrow is one record-batch stream:
- first the answer's columns, then one float64 column `<name>__half_width` for each noisy column;
- the schema's metadata `sandbox` is the JSON of the answer without `rows` and `half_widths`;
- the metadata `sandbox.half_width_of` of an error column is the position of the column it belongs to,
  so that a reader needs no rule about names.

CSV has each `<name>__half_width` beside its column; a map reads `{key=count, …}`. Text that a spreadsheet
would run as a formula gets a leading apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pydantic_core import to_json

from sandbox.query.answer import Answer

HALF_WIDTH_OF = "sandbox.half_width_of"
HALF_WIDTH = "__half_width"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """Any report as strict JSON: no NaN, no infinity, decimals as strings."""
    return to_json(value, indent=indent, inf_nan_mode="null", bytes_mode="base64")


def answer_json(answer: Answer, *, indent: int | None = None) -> bytes:
    """An answer as JSON."""
    blank: list[float | None] = [None] * answer.table.num_rows
    errors = _errors_by_position(answer)
    values = [_plain_cells(column) for column in answer.table.columns]
    widths = [errors[at].to_pylist() if at in errors else blank for at in range(len(values))]
    rows = [list(row) for row in zip(*values, strict=True)]
    half_widths = [list(row) for row in zip(*widths, strict=True)]
    return json_bytes(_head(answer) | {"rows": rows, "half_widths": half_widths}, indent=indent)


def answer_arrow(answer: Answer) -> bytes:
    """An answer as one Arrow IPC stream."""
    arrays = list(answer.table.columns)
    fields = [pa.field(field.name, field.type) for field in answer.table.schema]
    for at, widths in _errors_by_position(answer).items():
        name = answer.table.schema.field(at).name + HALF_WIDTH
        fields.append(pa.field(name, pa.float64(), metadata={HALF_WIDTH_OF: str(at)}))
        arrays.append(widths)
    schema = pa.schema(fields, metadata={"sandbox": json_bytes(_head(answer))})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return sink.getvalue()


def answer_csv(answer: Answer) -> bytes:
    """An answer as UTF-8 CSV with a header."""
    errors = _errors_by_position(answer)
    names, columns = list[str](), list[list[Any]]()
    for at, name in enumerate(answer.table.column_names):
        names.append(name)
        columns.append(answer.table.column(at).to_pylist())
        if at in errors:
            names.append(name + HALF_WIDTH)
            columns.append(errors[at].to_pylist())
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    for record in zip(*columns, strict=True):
        writer.writerow([_cell(value) for value in record])
    return out.getvalue().encode()


def rows_json(table: pa.Table) -> bytes:
    """Plain rows as JSON: names of the columns, and one list per row."""
    columns = [column.to_pylist() for column in table.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return json_bytes({"columns": table.column_names, "rows": rows})


def rows_arrow(table: pa.Table) -> bytes:
    """Plain rows as one Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def rows_csv(table: pa.Table) -> bytes:
    """Plain rows as UTF-8 CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name) for name in table.column_names])
    for record in zip(*(column.to_pylist() for column in table.columns), strict=True):
        writer.writerow([_cell(value) for value in record])
    return out.getvalue().encode()


def map_text(cell: Sequence[tuple[Any, Any]]) -> str:
    """A map as DuckDB writes one: `{a=12, b=7}`."""
    return "{" + ", ".join(f"{_key(key)}={'NULL' if value is None else value}" for key, value in cell) + "}"


def _plain_cells(column: Any) -> list[Any]:
    cells = column.to_pylist()
    if not pa.types.is_map(column.type):
        return list(cells)
    return [None if cell is None else {_key(key): value for key, value in cell} for cell in cells]


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else plain(key) if isinstance(key, Decimal) else str(key)


def plain(number: Decimal) -> str:
    """A Decimal without exponent and without trailing zeros: `0.000001`, `4`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _errors_by_position(answer: Answer) -> dict[int, Any]:
    errors = dict(zip(answer.errors.column_names, answer.errors.columns, strict=True))
    return {
        at: errors[column.name]
        for at, column in enumerate(answer.columns)
        if column.noisy and column.name in errors
    }


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.question,
        "columns": answer.columns,
        "cost": answer.cost,
        "budgets": answer.budgets,
        "repeated": answer.repeated,
        "derived": answer.derived,
        "notes": answer.notes,
        "decided_by": answer.decided_by,
        "attribution": answer.attribution,
        "receipt": answer.receipt,
    }


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return "'" + value if value.startswith(_FORMULA) else value
        case Decimal():
            return plain(value)
        case bool():
            return str(value).lower()
        case list():
            return map_text(value)
        case _:
            return str(value)
