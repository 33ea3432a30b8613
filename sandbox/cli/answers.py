"""Answers, estimates and budgets for people: numbers beside their error bars and their price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from rich.table import Table

from sandbox.cli import terminal
from sandbox.query.answer import Answer, AnswerColumn, BudgetState, Cost, Estimate, Share
from sandbox.service.documents import map_text, plain

DIGITS_OF_AN_ERROR_BAR = 2
"""An error bar is rounded up to this many digits, and the decimals of its number end where it ends."""

_SHOWN = Decimal("1e-6")


def show_answer(answer: Answer, *, brief: bool = False) -> None:
    """Print an answer: its rows, error bars and price; unless brief, also what is left, notes and sources."""
    terminal.show(answer_table(answer))
    if answer.table.num_rows == 0:
        terminal.say("No rows.")
    if answer.derived:
        terminal.say("Derived from the stored answer of another question, free.")
    elif answer.repeated:
        terminal.say("Asked before: the stored answer, free.")
    elif answer.cost is None:
        terminal.say("Open tables only: exact, and free.")
    else:
        terminal.say(f"Cost {price(answer.cost)}")
    if brief:
        return
    if answer.budgets:
        show_budgets(answer.budgets)
    for note in answer.notes:
        terminal.say(f"Note: {note.en}")
    terminal.say(f"Decided by {', '.join(answer.decided_by)}")
    for source in answer.attribution:
        terminal.say(f"Source: {source}")
    terminal.say(f"Question {answer.question}")


def show_estimate(estimate: Estimate, *, brief: bool = False) -> None:
    """Print an estimate: accuracy of each column, where the price goes, whether it can be paid."""
    terminal.show(
        terminal.table(
            [("column", "left"), ("noise", "left"), ("± 95 %", "right")],
            [(c.name, c.mechanism or "none", _expected_error(c)) for c in estimate.columns],
        ),
        "Estimate (nothing spent, no data touched)",
    )
    if estimate.cost.shares:
        terminal.show(_share_table(estimate.cost.shares), "Where the price goes")
    terminal.say(f"Price {price(estimate.cost)}")
    terminal.say("The budgets have room for it." if estimate.affordable else "A budget has no room for it.")
    if estimate.budgets and not brief:
        show_budgets(estimate.budgets)
    for note in estimate.notes:
        terminal.say(f"Note: {note.en}")
    if not brief:
        terminal.say(f"Decided by {', '.join(estimate.decided_by)}")


def show_budgets(budgets: Sequence[BudgetState]) -> None:
    """Print accounts, their limits and what is left; all of them must have room for a question."""
    headings = ["ε limit", "ε spent", "ε left", "δ limit", "δ spent"]
    made = terminal.table(
        [("account", "left"), *((heading, "right") for heading in headings)],
        [
            (
                state.account,
                plain(state.epsilon),
                short(state.epsilon_spent),
                plain(state.epsilon_left.quantize(_SHOWN, rounding="ROUND_FLOOR")),
                scientific(state.delta),
                scientific(state.delta_spent),
            )
            for state in budgets
        ],
    )
    terminal.show(made, "Budgets (each must have room)")


def answer_table(answer: Answer) -> Table:
    """The rows, with a `±` column after every noisy one."""
    headings = list[tuple[str, str]]()
    cells = list[list[str]]()
    about = {column.name: column for column in answer.columns}
    for name in answer.table.column_names:
        values = answer.table.column(name).to_pylist()
        numeric = any(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in values)
        headings.append((name, "right" if numeric else "left"))
        column = about.get(name)
        if column is None or not column.noisy:
            cells.append([_exact(value) for value in values])
            continue
        errors = _errors(answer, column)
        cells.append([rounded(value, error) for value, error in zip(values, errors, strict=True)])
        headings.append(("± 95 %", "right"))
        cells.append([_bar(value, error) for value, error in zip(values, errors, strict=True)])
    return terminal.table(headings, list(zip(*cells, strict=True)))


def price(cost: Cost) -> str:
    """A price on one line: (ε, δ) outside, both sums inside."""
    pure = "not pure" if cost.pure is None else f"pure {short(cost.pure)}"
    return f"ε {short(cost.epsilon)}, δ {scientific(cost.delta)}  ({pure}, ρ {short(cost.rho)})"


def rounded(value: object, error: float | None) -> str:
    """A noisy number with the decimals that its error bar speaks of; as it is when it has none."""
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return _exact(value)
    if error is None or not math.isfinite(error) or error <= 0:
        return _exact(value)
    places = _places(error)
    if places <= 0 or isinstance(value, int):
        return str(round(value))
    return f"{value:.{places}f}"


def error_bar(error: float | None) -> str:
    """A half-width, rounded up to two digits: an error bar is never shown smaller than it is."""
    if error is None or math.isnan(error):
        return "—"
    if math.isinf(error):
        return "unbounded"
    if error <= 0:
        return "0"
    if error < 100 and error.is_integer():
        return f"{error:.0f}"
    places = _places(error)
    step = 10.0**-places
    up = math.ceil(error / step * (1 - 1e-12)) * step
    return f"{up:.{max(places, 0)}f}"


def _bar(value: object, error: float | None) -> str:
    """The half-width of a value; that of a day or time is in days."""
    days = " d" if isinstance(value, date) and error is not None and math.isfinite(error) else ""
    return error_bar(error) + days


def short(number: Decimal) -> str:
    """A privacy loss to six places, rounded up; the ledger keeps twelve."""
    if not number.is_finite():
        return "unbounded"
    return plain(number.quantize(_SHOWN, rounding="ROUND_CEILING"))


def scientific(number: Decimal) -> str:
    """A delta: `0`, `1e-06`."""
    return "0" if number == 0 else f"{float(number):.3g}"


def _share_table(shares: Sequence[Share]) -> Table:
    headings = ["ε", "sensitivity", "scale", "± 95 %"]
    return terminal.table(
        [("measure", "left"), ("noise", "left"), *((heading, "right") for heading in headings)],
        [
            (
                share.measure,
                share.mechanism,
                short(share.epsilon),
                plain(share.sensitivity),
                f"{share.scale:.4g}",
                error_bar(share.half_width),
            )
            for share in shares
        ],
    )


def _places(error: float) -> int:
    return DIGITS_OF_AN_ERROR_BAR - 1 - math.floor(math.log10(error))


def _errors(answer: Answer, column: AnswerColumn) -> list[float | None]:
    if column.name in answer.errors.column_names:
        return list(answer.errors.column(column.name).to_pylist())
    return [column.half_width] * answer.table.num_rows


def _expected_error(column: AnswerColumn) -> str:
    if not column.noisy:
        return "exact"
    return "differs by row" if column.half_width is None else error_bar(column.half_width)


def _exact(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, list):
        return map_text(value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)
