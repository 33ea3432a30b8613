"""What a person reads when a budget has no room: from the ledger, the limits and the price alone."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.accountant import (
    Odometer,
    largest_epsilon,
    selection_delta,
    selection_within,
    spent_epsilon,
)
from sandbox.privacy.loss import WIDE, Account, AccountKind, Loss

_NAMES = {
    AccountKind.GRANT_DATASET: "budget of the grant for the dataset",
    AccountKind.PROJECT_UNIT: "budget of the project for the privacy unit",
    AccountKind.DATASET: "budget of the dataset over all projects",
}
_SHOWN = Decimal("1e-6")


def budget_exceeded(account: Account, before: Odometer, loss: Loss) -> SandboxError:
    """The refusal of `loss` by `account`, which had spent `before`."""
    after = before.after(loss)
    name = f"The {_NAMES[account.kind]}, {account.key}, has no room for this question"
    if not selection_within(after, account.limit):
        return SandboxError(
            ErrorCode.BUDGET_EXCEEDED,
            f"{name}: naming groups that only the data knows costs delta {loss.delta.normalize():g}, and of "
            f"{selection_delta(account.limit.delta).normalize():g} for that, {before.delta.normalize():g} "
            "is spent.",
            "Group by columns whose values the policy lists: their names cost no delta.",
        )
    delta = account.limit.delta
    message = (
        f"{name}: epsilon {_up(spent_epsilon(before, delta))} of {_plain(account.limit.epsilon)} is spent, "
        f"and with it {_up(spent_epsilon(after, delta))} would be."
    )
    most = largest_epsilon(before, account.limit).quantize(_SHOWN, rounding=ROUND_FLOOR, context=WIDE)
    if most > 0:
        hint = f"A question with Laplace noise and epsilon up to {_plain(most)} has room there."
    else:
        hint = "Ask the steward for a larger budget; a question that was answered before is free."
    return SandboxError(ErrorCode.BUDGET_EXCEEDED, message, hint)


def _up(value: Decimal) -> str:
    if not value.is_finite():
        return "without limit"
    return _plain(value.quantize(_SHOWN, rounding=ROUND_CEILING, context=WIDE))


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def ledger_restored() -> SandboxError:
    """The ledger came back from a backup, and nobody has accepted it yet."""
    return SandboxError(
        ErrorCode.LEDGER_RESTORED,
        "This home was restored from a backup: what was spent since is not known, so nothing is paid.",
        "A steward accepts the ledger: sandbox accept-ledger --log FOLDER, with the newest exported log.",
    )
