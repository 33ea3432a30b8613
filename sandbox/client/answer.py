"""An answer in a notebook: its table, its error bars, its price and its receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.client import model, page, reading
from sandbox.client.chart import Bar, Chart, chart

if TYPE_CHECKING:
    import polars

ROWS_SHOWN = 40
_HALF_WIDTH_OF = b"sandbox.half_width_of"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Answer:
    """An answer.

    Attributes:
        question: its id in the log.
        table: the rows, as an Arrow table.
        half_widths: 95 % half-widths of the noisy columns, same rows, same names, float64. A column that is
            not noisy is absent; a cell for which none can be given is null. Of days and times in days.
        columns: what each column is.
        cost: what it cost; None when it touched open tables only, or was asked before.
        budgets: what is left after it.
        repeated: whether this is the stored answer of the same question asked before, which cost nothing.
        derived: whether it was made, free, of the stored answer of another question (`repeated`, too).
        notes: remarks in both languages, by rule.
        decided_by: digests of the policies and the grant that decided.
        attribution: publisher and licence of every source; name them where you publish.
        receipt: proof that the question stands in the log; keep it, it holds against the operator.

    """

    question: str
    table: pa.Table
    half_widths: pa.Table
    columns: tuple[model.Column, ...]
    cost: model.Cost | None
    budgets: tuple[model.BudgetState, ...]
    repeated: bool
    notes: tuple[model.Note, ...]
    decided_by: tuple[str, ...]
    attribution: tuple[str, ...]
    receipt: Mapping[str, Any]
    derived: bool = False

    def to_arrow(self, *, errors: bool = False) -> pa.Table:
        """The rows; with `errors`, each noisy column is followed by `<name>__half_width`.

        A name that the question gave twice, or to a column beside which it would clash, gets a number.
        """
        arrays, names = [], []
        widths = dict(zip(self.half_widths.column_names, self.half_widths.columns, strict=True))
        for name, values in zip(self.table.column_names, self.table.columns, strict=True):
            arrays.append(values)
            names.append(name)
            if errors and name in widths:
                arrays.append(widths[name])
                names.append(f"{name}__half_width")
        return pa.Table.from_arrays(arrays, names=_distinct(names))

    def to_pandas(self, *, errors: bool = False) -> Any:
        """The rows as a pandas frame (needs pandas), maps as dicts; `errors` as in `to_arrow`."""
        return self.to_arrow(errors=errors).to_pandas(maps_as_pydicts="strict")

    def to_polars(self, *, errors: bool = False) -> polars.DataFrame:
        """The rows as a Polars frame (needs polars); `errors` as in `to_arrow`."""
        import polars  # noqa: PLC0415  (optional: most notebooks have one of the two)

        frame = polars.from_arrow(self.to_arrow(errors=errors))
        return frame if isinstance(frame, polars.DataFrame) else frame.to_frame()

    def plot(self, column: str | None = None) -> Chart:
        """A bar for each row, with the error bar of its noise; a notebook draws it.

        Args:
            column: the column of numbers; without it, the first one that is noisy. Labels are the columns
                that are not noisy.

        Raises:
            ValueError: there is no such column of numbers, no row, or too many rows.

        """
        numbers = [at for at, one in enumerate(self.columns) if one.noisy]
        if column is not None:
            numbers = [at for at, name in enumerate(self.table.column_names) if name == column]
        if not numbers:
            raise ValueError("There is no such column of numbers to draw.")
        at, name = numbers[0], self.table.column_names[numbers[0]]
        labels = [other for other, one in enumerate(self.columns) if other != at and not one.noisy]
        widths = dict(zip(self.half_widths.column_names, self.half_widths.columns, strict=True))
        values = self.table.column(at).to_pylist()
        errors = widths[name].to_pylist() if name in widths else [None] * len(values)
        try:
            bars = [
                Bar(
                    ", ".join(page.number(self.table.column(other)[row].as_py(), None) for other in labels),
                    float(value),
                    errors[row],
                    _said(value, errors[row], self.columns[at]),
                )
                for row, value in enumerate(values)
                if value is not None
            ]
        except (TypeError, ValueError):
            raise ValueError(f"{name} is no column of numbers.") from None
        return chart(name, bars)

    def __repr__(self) -> str:
        cells = [
            [
                _said(value, width, column)
                for value, width, column in zip(row, widths, self.columns, strict=True)
            ]
            for row, widths in self._shown()
        ]
        return page.text_table(self.table.column_names, cells) + "\n" + page.text_lines(self._lines())

    def _repr_html_(self) -> str:
        shown = self._shown()
        scales = [_scale(shown, at) for at in range(len(self.columns))]
        cells, bars = [], []
        for row, widths in shown:
            entries = list(zip(row, widths, self.columns, scales, strict=True))
            cells.append([_said(value, width, column) for value, width, column, _ in entries])
            bars.append([_bar(value, width, scale) for value, width, _, scale in entries])
        return page.html_table(self.table.column_names, cells, bars) + page.html_lines(self._lines())

    def _shown(self) -> list[tuple[list[Any], list[float | None]]]:
        head = self.table.slice(0, ROWS_SHOWN)
        widths = dict(zip(self.half_widths.column_names, self.half_widths.columns, strict=True))
        blank: list[float | None] = [None] * head.num_rows
        values = [[_in_words(cell) for cell in column.to_pylist()] for column in head.columns]
        errors = [
            widths[name].slice(0, ROWS_SHOWN).to_pylist() if name in widths else blank
            for name in head.column_names
        ]
        return [
            ([column[at] for column in values], [column[at] for column in errors])
            for at in range(head.num_rows)
        ]

    def _lines(self) -> list[str]:
        lines = []
        if self.table.num_rows > ROWS_SHOWN:
            lines.append(f"… {self.table.num_rows - ROWS_SHOWN} more rows: .to_pandas()")
        if any(column.noisy for column in self.columns):
            lines.append("± is the 95 % half-width of the noise")
        if self.repeated:
            lines.append("derived from a stored answer: free" if self.derived else "asked before: free")
        else:
            lines.append("open data: exact, free" if self.cost is None else f"cost {self.cost}")
        lines += [str(budget) for budget in self.budgets]
        lines += [note.en for note in self.notes]
        lines += list(self.attribution)
        lines.append(f"question {self.question}; receipt in .receipt")
        return lines


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, the second of its kind with `_1` behind it, and so on."""
    taken: set[str] = set()
    found = []
    for name in names:
        free = name
        number = 0
        while free in taken or (free != name and free in names):
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        found.append(free)
    return found


def _in_words(cell: Any) -> Any:
    """A map as DuckDB writes one, `{a=12, b=7}`; anything else as it is."""
    if not isinstance(cell, list):
        return cell
    pairs = (f"{page.number(key, None)}={page.number(value, None)}" for key, value in cell)
    return f"{{{', '.join(pairs)}}}"


def _said(value: Any, width: float | None, column: model.Column) -> str:
    if not column.noisy or value is None:
        return page.number(value, None)
    days = " d" if isinstance(value, date) and width is not None else ""
    return f"{page.number(value, width)} {page.half_width(width, value)}{days}"


def _scale(shown: list[tuple[list[Any], list[float | None]]], at: int) -> tuple[float, float] | None:
    """Lowest and highest end of the error bars of one column."""
    ends = [
        (_position(row[at]) - width, _position(row[at]) + width)
        for row, widths in shown
        if (width := widths[at]) is not None and row[at] is not None and not isinstance(row[at], str)
    ]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _bar(value: Any, width: float | None, scale: tuple[float, float] | None) -> str:
    if value is None or width is None or scale is None or isinstance(value, str):
        return ""
    return page.error_bar(_position(value), width, *scale)


def _position(value: Any) -> float:
    """A number; a day or time in days, as its half-width is."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=None) - datetime.min) / timedelta(days=1)
    return float(value.toordinal()) if isinstance(value, date) else float(value)


def read(stream: bytes) -> Answer:
    """An answer from the API's Arrow stream.

    Raises:
        pyarrow.ArrowInvalid, KeyError, ValueError: this is not such a stream.

    """
    with pa.ipc.open_stream(stream) as reader:
        everything = reader.read_all()
    about = json.loads((everything.schema.metadata or {})[b"sandbox"])
    values: list[int] = []
    errors: dict[int, int] = {}
    for at, field in enumerate(everything.schema):
        belongs = (field.metadata or {}).get(_HALF_WIDTH_OF)
        if belongs is None:
            values.append(at)
        else:
            errors[int(belongs)] = at
    names = [everything.schema.field(at).name for at in values]
    if len(names) != len(about["columns"]):
        raise ValueError("the stream has other columns than it says")
    table = pa.Table.from_arrays([everything.column(at) for at in values], names=names)
    half_widths = pa.Table.from_arrays(
        [everything.column(at) for at in errors.values()], names=[names[position] for position in errors]
    )
    return Answer(
        question=about["question"],
        table=table,
        half_widths=half_widths,
        columns=reading.columns(about["columns"]),
        cost=None if about["cost"] is None else reading.cost(about["cost"]),
        budgets=reading.budgets(about["budgets"]),
        repeated=about["repeated"],
        notes=reading.notes(about["notes"]),
        decided_by=tuple(about["decided_by"]),
        attribution=tuple(about["attribution"]),
        receipt=about["receipt"],
        derived=about.get("derived", False),
    )
