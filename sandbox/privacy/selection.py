"""Partition selection: which groups that only the data knows may be named.

A group is shown when the noisy count of its units reaches a threshold. A group that only one unit is
in must hardly ever pass, for its name alone would tell of that unit. Proof: docs/privacy-proofs.md.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from functools import lru_cache

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.loss import DELTA_STEP
from sandbox.privacy.mechanisms import Mechanism

_DOWN = Context(prec=60, rounding=ROUND_FLOOR)
_LOWERED = Decimal(1) - Decimal("1e-15")


@lru_cache(maxsize=4096)
def threshold(mechanism: Mechanism, l0: int, delta: Decimal, floor: int = 0) -> int:
    """Least T, at least `floor` and 1, for which showing groups with noisy count >= T costs `delta`.

    A unit is in at most `l0` groups, and counts once in each. The groups that only it is in have count
    1 and independent noise Z, so at least one of them passes with probability at most
    1 - (1 - p)**l0, p = P(1 + Z >= T): p may be 1 - (1 - delta)**(1 / l0). That is exact, and
    always more than the union bound's delta / l0.

    Args:
        mechanism: noise on the count of units of each group.
        l0: most groups that one unit is in.
        delta: probability to spend, below 1 and at least the ledger's step (1e-18).
        floor: the policy's least noisy count (`minimum_group`).

    Raises:
        SandboxError: DELTA_NEEDED when `delta` is less.
        ValueError: `l0` below 1, or a `delta` that is no probability below 1.

    """
    if l0 < 1 or not delta.is_finite() or delta >= 1:
        raise ValueError("a unit is in at least one group, and delta lies below 1")
    if not delta >= DELTA_STEP:
        raise SandboxError(
            ErrorCode.DELTA_NEEDED,
            "Groups whose names only the data knows need a delta, and none is left for this question.",
            "Group by columns whose values the policy lists, or ask the steward for a budget with a delta.",
        )
    most = _most_each(l0, delta)
    low, high = 0, 1
    while mechanism.tail(high - 1) > most:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if mechanism.tail(middle - 1) > most:
            low = middle
        else:
            high = middle
    return max(high, floor)


def _most_each(l0: int, delta: Decimal) -> float:
    """1 - (1 - delta)**(1 / l0), rounded down."""
    stays = _DOWN.ln(_DOWN.subtract(1, delta))
    exact = _DOWN.subtract(1, _DOWN.exp(_DOWN.divide(stays, l0)))
    return float(_DOWN.multiply(exact, _LOWERED))
