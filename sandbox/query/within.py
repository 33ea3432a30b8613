"""A wanted error instead of an epsilon: `within` 5 (absolute, in the column's unit) or 5% (relative).

A wanted error is met by 95 % half-widths. Those of single noisy numbers (counts, sums) follow from the
price, unless a clamp is found privately, so an absolute wish for them is priced beforehand: the least
epsilon whose half-widths meet it. What is relative, or about a column that is computed from noisy numbers,
depends on the answer. There a first, small question is asked and paid; from its released answer alone
follows the epsilon of the second:
- half-widths shrink as epsilon grows, h(e) = h(e0) * e0 / e (to first order for computed columns);
- 5 % is meant of each number of the column that stands out from noise in the first answer (an empty group
  has no relative error), taken at the near end of its error bar, |v| - h(e0), so that a lucky first answer
  does not promise too much. It stands out where noise alone would bring any of the column's numbers so far
  in one question of a hundred at most: else one empty group of many nearly always set the price.
No row is looked at to decide anything: prices depend on declarations and on answers that were paid for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.ledger import Ledger
from sandbox.query.analyze import Analyzed
from sandbox.query.joined_widths import ERROR_PREFIX
from sandbox.query.price import LARGEST_EPSILON, Priced, epsilons, half_width, price_at
from sandbox.query.rewrite import Rewritten

STEP = Decimal("1e-6")
FIRST_PARTS = 20  # of what the question may spend, for a first answer
# A second answer is aimed at by a first one: a little more is spent, so that it meets the wish nearly always,
# and once stored it is good enough if it does so nearly.
SPARE = Decimal("1.05")
NEARLY = Decimal("1.1")
UNLIKELY = 0.01  # that an empty group is taken for one that is not
Given = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Width:
    """A wanted half-width: `amount` in the column's unit, or as a part of each of its numbers."""

    amount: Decimal
    relative: bool

    def __str__(self) -> str:
        return f"{(self.amount * 100).normalize():f} %" if self.relative else f"{self.amount.normalize():f}"


@dataclass(frozen=True, slots=True)
class Goals:
    """Wanted half-widths by output column: known before the answer, and only with one."""

    before: Mapping[int, Width]
    after: Mapping[int, Width]


def goals(given: Given, analyzed: Analyzed) -> Goals:
    """The wish, per output column of the question.

    Args:
        given: one width for every noisy column that can have one, or widths by column.
        analyzed: the question.

    Raises:
        SandboxError: `argument` (no width), `sql-name-unknown`, `sql-unsupported` (no half-width there).

    """
    output = analyzed.authorized.resolved.output
    wanted: dict[int, Width] = {}
    if isinstance(given, str):
        width = _read(given)
        # A percentage is of a number: a day or time has none.
        noisy = analyzed.noisy_columns - (analyzed.moments if width.relative else frozenset())
        wanted = dict.fromkeys(sorted(noisy), width)
    else:
        for name, text in given.items():
            at = [i for i, known in enumerate(output) if known.lower() == name.lower()]
            if not at:
                raise SandboxError(
                    ErrorCode.SQL_NAME_UNKNOWN,
                    f"The answer has no column {name[:80]}, whose error is to be within {text[:20]}.",
                    f"Its columns: {', '.join(output)[:200]}.",
                )
            wanted |= dict.fromkeys((i for i in at if i in analyzed.noisy_columns), _read(text))
    posted = set(analyzed.post.named_selects)
    for i, width in wanted.items():
        if f"{ERROR_PREFIX}{i}" not in posted or (width.relative and i in analyzed.moments):
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"No half-width can be given for column {output[i][:80]}, so none can be wanted.",
                "Say `within` for other columns by name (for a day or time as a number of days), or give an "
                "epsilon.",
            )
    found = {(b.name, m.name) for b in analyzed.boundaries for m in b.measures if m.found}
    known = {i for i, direct in analyzed.direct.items() if direct not in found}
    before = {i: w for i, w in wanted.items() if i in known and not w.relative}
    return Goals(before, {i: w for i, w in wanted.items() if i not in before})


def least_price(
    rewritten: Rewritten, wanted: Goals, most: Decimal | None, ledger: Ledger
) -> tuple[Priced, Decimal]:
    """The least price that meets what is known before, and the most that the question may spend.

    Where something is known only with an answer, it is at least the price of a first question.

    Raises:
        SandboxError: `epsilon-invalid` when `most`, or the policy's cap, does not suffice; as `price_at`.

    """
    least, _, cap = epsilons(rewritten, most)
    start = max(least, (cap / FIRST_PARTS).quantize(STEP)) if wanted.after else least
    enough = _meets(rewritten, wanted.before, ledger)
    low, high = _steps(start), _steps(cap)
    if enough(start):
        return price_at(rewritten, start, ledger), cap
    if not enough(cap):
        raise _unreachable(rewritten.analyzed, wanted.before, _takes(enough, cap), cap)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle * STEP) else (middle, high)
    return price_at(rewritten, min(cap, high * STEP), ledger), cap


def second_epsilon(
    wanted: Mapping[int, Width], numbers: Callable[[int], Iterable[tuple[float, float]]], paid: Decimal
) -> Decimal | None:
    """The epsilon that meets `wanted` by the answer paid with `paid`; at most `paid` when that one does.

    Args:
        wanted: widths by output column.
        numbers: the released numbers of a column with their half-widths.
        paid: what they cost.

    None when no number of a column stands out from noise, so that no epsilon can be told.

    """
    factor = 0.0
    for i, width in wanted.items():
        known = [(abs(value), half) for value, half in numbers(i) if half > 0]
        if width.relative:
            # Laplace is beyond b half-widths with probability 0.05**b, Gaussian less.
            bars = math.log(len(known) / UNLIKELY) / math.log(20) if known else 1.0
            seen = [(size - half, half) for size, half in known if size > bars * half]
            if known and not seen:
                return None
        else:
            seen = [(1.0, half) for _, half in known]
        factor = max([factor, *(half / (float(width.amount) * whole) for whole, half in seen)])
    return (paid * Decimal(factor) * (1 if factor <= 1 else SPARE)).quantize(STEP, rounding=ROUND_CEILING)


def not_within(analyzed: Analyzed, wanted: Goals, needed: Decimal | None, left: Decimal) -> SandboxError:
    """The refusal of a second question that would spend more than is left of what it may."""
    return _unreachable(
        analyzed,
        wanted.after,
        "an epsilon that this first answer cannot tell" if needed is None else f"about epsilon {needed:f}",
        left,
        "A first answer was paid for and kept: ask without `within` and with its epsilon, and it is free.",
    )


def _meets(rewritten: Rewritten, wanted: Mapping[int, Width], ledger: Ledger) -> Callable[[Decimal], bool]:
    def enough(epsilon: Decimal) -> bool:
        priced = price_at(rewritten, epsilon, ledger)
        tables = {b.boundary.name: b for b in priced.boundaries}
        for i, width in wanted.items():
            table, measure = rewritten.analyzed.direct[i]
            if half_width(tables[table], measure) > width.amount:
                return False
        return True

    return enough


def _takes(enough: Callable[[Decimal], bool], cap: Decimal) -> str:
    """What it would take without the cap, to two digits."""
    epsilon = cap
    while epsilon < LARGEST_EPSILON:
        epsilon = min(LARGEST_EPSILON, epsilon * Decimal("1.1"))
        if enough(epsilon):
            return f"about epsilon {epsilon:.0f}" if epsilon >= 10 else f"about epsilon {epsilon:.1g}"
    return f"more than epsilon {LARGEST_EPSILON:f}"


def _unreachable(
    analyzed: Analyzed,
    wanted: Mapping[int, Width],
    takes: str,
    cap: Decimal,
    hint: str = "Ask for a wider error, fewer columns or larger groups.",
) -> SandboxError:
    output = analyzed.authorized.resolved.output
    said = ", ".join(f"{output[i][:40]} within {width}" for i, width in list(wanted.items())[:5])
    return SandboxError(
        ErrorCode.EPSILON_INVALID,
        f"To know {said} would take {takes}; the question may spend {cap.normalize():f} here.",
        hint,
    )


def _steps(epsilon: Decimal) -> int:
    return int((epsilon / STEP).to_integral_value(ROUND_CEILING))


def _read(text: str) -> Width:
    relative = text.strip().endswith("%")
    try:
        amount = Decimal(text.strip().removesuffix("%").strip()) / (100 if relative else 1)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and Decimal("1e-9") <= amount <= Decimal("1e18")):
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"A wanted error is a positive number, as 5 or 5%, not {text[:40]!r}.",
            "Give a half-width in the column's unit, or a percentage of its numbers.",
        )
    return Width(amount, relative)
