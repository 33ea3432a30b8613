"""The forms of replies: JSON by these types, and an answer also as one Arrow IPC stream.

An answer in JSON has `rows` and `half_widths` of the same shape, one list per row, in the order of
`columns`. Decimals are strings, dates and times ISO 8601, bytes base64; NaN and infinity are null.

An answer in Arrow is one record-batch stream:
- first the answer's columns, then one float64 column `<name>__half_width` for each noisy column;
- the schema's metadata `sandbox` is the JSON of the answer without `rows` and `half_widths`;
- the metadata `sandbox.half_width_of` of an error column is the position of the column it belongs to,
  so that a reader needs no rule about names.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic_core import to_json

from sandbox.query.answer import Answer, AnswerColumn, BudgetState, Cost, Note
from sandbox.service.reports import DatasetCard

HALF_WIDTH_OF = "sandbox.half_width_of"


@dataclass(frozen=True, slots=True)
class AnswerReply:
    """An answer; see `sandbox.query.answer.Answer` for what the fields mean."""

    question: str
    columns: tuple[AnswerColumn, ...]
    rows: list[list[Any]]
    half_widths: list[list[float | None]]
    cost: Cost | None
    budgets: tuple[BudgetState, ...]
    repeated: bool
    notes: tuple[Note, ...]
    decided_by: tuple[str, ...]
    attribution: tuple[str, ...]
    receipt: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DatasetsReply:
    """The datasets that the person may use."""

    datasets: tuple[DatasetCard, ...]


@dataclass(frozen=True, slots=True)
class BudgetsReply:
    """Every budget that a question under the grant would be charged to."""

    budgets: tuple[BudgetState, ...]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the log; `facts` depend on its kind (docs: the log)."""

    index: int
    at: str
    kind: str
    person: str
    via: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogReply:
    """Entries of the log."""

    entries: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class HealthReply:
    """The service is up and reads requests."""

    status: str
    version: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error (RFC 9457).

    Attributes:
        code: stable name of the error, the same as on the command line.
        detail: what is wrong.
        hint: what to do next.
        place: where in the question: `line` and `column` from 1, the `text` there, the `file` if any.
        rules: the policy and grant rules that decided.
        instance: number of this occurrence in the operator's log, when it is not the caller's to mend.

    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    place: dict[str, int | str] | None
    rules: tuple[str, ...]
    instance: str | None = None


def json_bytes(reply: Any) -> bytes:
    """Any reply as strict JSON: no NaN, no infinity, decimals as strings."""
    return to_json(reply, inf_nan_mode="null", bytes_mode="base64")


def answer_json(answer: Answer) -> bytes:
    """An answer as JSON."""
    blank: list[float | None] = [None] * answer.table.num_rows
    errors = _errors_by_position(answer)
    values = [column.to_pylist() for column in answer.table.columns]
    widths = [errors[at].to_pylist() if at in errors else blank for at in range(len(values))]
    rows = [list(row) for row in zip(*values, strict=True)]
    half_widths = [list(row) for row in zip(*widths, strict=True)]
    return json_bytes(_head(answer) | {"rows": rows, "half_widths": half_widths})


def answer_arrow(answer: Answer) -> bytes:
    """An answer as one Arrow IPC stream."""
    arrays = list(answer.table.columns)
    fields = [pa.field(field.name, field.type) for field in answer.table.schema]
    for at, widths in _errors_by_position(answer).items():
        name = f"{answer.table.schema.field(at).name}__half_width"
        fields.append(pa.field(name, pa.float64(), metadata={HALF_WIDTH_OF: str(at)}))
        arrays.append(widths)
    schema = pa.schema(fields, metadata={"sandbox": json_bytes(_head(answer))})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return sink.getvalue()


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
        "notes": answer.notes,
        "decided_by": answer.decided_by,
        "attribution": answer.attribution,
        "receipt": answer.receipt,
    }
