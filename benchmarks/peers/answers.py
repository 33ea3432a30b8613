"""What every contestant gives back, ourselves included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Given:
    """One contestant's answers to one question.

    Attributes:
        refused: why there is none; empty where there are answers.
        milliseconds: of each answer, after one that does not count.
        tables: the rows of each answer, keys first.
        epsilon: that it charges by its own account, all parts of one answer together.

    """

    refused: str
    milliseconds: tuple[float, ...] = ()
    tables: tuple[tuple[Row, ...], ...] = ()
    epsilon: float = 1.0

    @property
    def latency(self) -> float:
        """Median, in milliseconds."""
        return median(self.milliseconds)


def error(given: Given, truth: Sequence[Row], keys: int) -> float:
    """Mean over the answers of the median relative error of their figures, in %.

    Args:
        given: not refused.
        truth: rows of the exact answer.
        keys: the leading columns that name a row.

    A figure that an answer leaves out (a key below a threshold) is no error; one that it adds is no figure.
    An answer without any figure of the truth has an error of 100 %.

    """
    exact = _cells(truth, keys)
    each = []
    for table in given.tables:
        cells = _cells(table, keys)
        told = [abs(cells[k] - v) / abs(v) for k, v in exact.items() if k in cells and v]
        each.append(100 * median(told) if told else 100.0)
    return fmean(each)


def kept(given: Given, truth: Sequence[Row], keys: int) -> float:
    """Mean share of the truth's figures that the answers have."""
    exact = _cells(truth, keys)
    return fmean(len(exact.keys() & _cells(t, keys).keys()) / len(exact) for t in given.tables)


def _cells(rows: Sequence[Row], keys: int) -> Mapping[tuple[object, ...], float]:
    return {
        (*map(_key, row[:keys]), at): float(cell)  # type: ignore[arg-type]
        for row in rows
        for at, cell in enumerate(row[keys:])
        if cell is not None
    }


def _key(value: object) -> object:
    """Some systems give whole numbers back as text or as floats."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value
