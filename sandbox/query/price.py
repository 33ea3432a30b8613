"""Step 6, price: split the question's epsilon over what it measures, and choose the noise.

Rules
- Epsilon is for the whole question. Its noisy vectors share it by weight (`boundary.Weight`): numbers
  that are shown equally, a count that only divides or decides less.
- Laplace or Gaussian for the whole question: the one with the smaller error (geometric mean of the
  vectors' half-widths) by which no account goes down by more than the epsilon that was asked.
- A Gaussian question at epsilon E spends the rho that alone would convert to E at the accounts' delta, or
  at what the policy lets one question spend of it, if that is less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import BudgetBlock, Policy, PrivacyBlock
from sandbox.privacy.accountant import (
    Odometer,
    conversion_delta,
    epsilon_to_rho,
    pure_to_rho,
    spent_epsilon,
    within,
)
from sandbox.privacy.calibrate import Sensitivity, gaussian_for, laplace_for
from sandbox.privacy.ledger import Ledger
from sandbox.privacy.loss import DELTA_STEP, EPSILON_STEP, Account, AccountKind, Budget, Loss
from sandbox.privacy.mechanisms import Laplace, Mechanism
from sandbox.privacy.selection import threshold
from sandbox.query.boundary import Boundary, Measure, Measures
from sandbox.query.clamp import SHARE, Search, counts_sensitivity, grid
from sandbox.query.families import Family, half_widths, variance
from sandbox.query.rewrite import Rewritten

SELECTION_PARTS = 100
DEFAULT_PARTS = 10
# That a question failed, and how long it took, may depend on a row and tells a bit past the noise (see the
# privacy promise): so no question is nearly free, however much noise it asks for.
LEAST_EPSILON = Decimal("0.001")
LARGEST_EPSILON = Decimal(1000)
ROUNDING = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise on one measure: its mechanism, its share of epsilon, and its half-width in whole units.

    `search`: how its clamp is found, where it is; until then the noise is the one at the policy's bound.
    """

    measure: Measure
    mechanism: Mechanism
    epsilon: Decimal
    half_width: int
    search: Search | None = None


@dataclass(frozen=True, slots=True)
class PricedBoundary:
    """One boundary with its noise; groups below `threshold` units are not shown (0: no threshold)."""

    boundary: Boundary
    noise: tuple[Noise, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class Priced:
    """A question with its price: `epsilon` outside, `loss` inside, charged to every one of `accounts`."""

    rewritten: Rewritten
    epsilon: Decimal
    loss: Loss
    accounts: tuple[Account, ...]
    boundaries: tuple[PricedBoundary, ...]


def price(rewritten: Rewritten, epsilon: Decimal | None, ledger: Ledger) -> Priced | None:
    """The price of a question; None when it touches open tables only.

    Raises:
        SandboxError: `epsilon-invalid`, `delta-needed`, `policy-refused`, `overflow-possible`.

    """
    if not rewritten.analyzed.boundaries:
        return None
    least, usual, cap = epsilons(rewritten, None)
    if epsilon is None:
        return price_at(rewritten, usual, ledger)
    _check(epsilon, least, cap, rewritten)
    return price_at(rewritten, _down(epsilon), ledger)


def price_at(rewritten: Rewritten, epsilon: Decimal, ledger: Ledger) -> Priced:
    """The price at this epsilon, whatever the policy's cap for one question.

    Raises:
        SandboxError: `delta-needed`, `policy-refused`, `overflow-possible`.

    """
    boundaries = rewritten.analyzed.boundaries
    accounts = _accounts(rewritten)
    policies = _protected_policies(rewritten)
    delta = _selection_delta(accounts, policies) if any(b.selects for b in boundaries) else Decimal(0)
    states = list(zip(accounts, ledger.states(accounts), strict=True))
    room = _conversion_room(accounts, policies, delta)
    candidates = sorted(_candidates(boundaries, epsilon, delta, room), key=lambda c: c.error)
    kept = (c for c in candidates if all(_keeps_price(o, a.limit, c.loss, epsilon) for a, o in states))
    # With no room at all the pure one is shown; the reservation refuses it and says what is left.
    pure = (c for c in candidates if c.loss.epsilon is not None)
    chosen = next(chain(kept, (c for c in candidates if _fits(states, c.loss)), pure))
    agreeing = _agreeing(chosen.boundaries, rewritten.analyzed.families)
    return Priced(rewritten, epsilon, chosen.loss, accounts, agreeing)


def _agreeing(
    boundaries: tuple[PricedBoundary, ...], families: Sequence[Family]
) -> tuple[PricedBoundary, ...]:
    """The half-widths of levels that are made to agree: never wider than each level's own."""
    found = {b.boundary.name: b for b in boundaries}
    for family in families:
        for names in family.shared:
            own = {level: noise_of(found[level], measure) for level, measure in names.items()}
            widths = half_widths(family, {k: (variance(n.mechanism), n.half_width) for k, n in own.items()})
            for level, width in (widths or {}).items():
                noise = tuple(
                    replace(n, half_width=width) if n is own[level] else n for n in found[level].noise
                )
                found[level] = replace(found[level], noise=noise)
    return tuple(found[b.boundary.name] for b in boundaries)


def noise_of(priced: PricedBoundary, measure: str) -> Noise:
    """The noise on one measure."""
    return next(n for n in priced.noise if n.measure.name == measure)


def epsilons(rewritten: Rewritten, most: Decimal | None) -> tuple[Decimal, Decimal, Decimal]:
    """Least, usual and largest epsilon of this question; `most`: what the person is ready to spend.

    Raises:
        SandboxError: `epsilon-invalid` (a `most` that is none), `policy-refused`.

    """
    policies = _protected_policies(rewritten)
    granted = rewritten.analyzed.authorized.admitted.grant.budget
    cap = min(p.question.epsilon for _, p in policies.values())
    least = min(LEAST_EPSILON, cap)
    usual = max(least, _down(min(cap, granted.epsilon / DEFAULT_PARTS)))
    if most is not None:
        _check(most, least, cap, rewritten)
        cap = _down(most)
    return least, usual, cap


def half_width(priced: PricedBoundary, measure: str) -> Decimal:
    """95 % half-width of a measure in the unit of its column: whole steps, or those of its DECIMAL."""
    n = next(n for n in priced.noise if n.measure.name == measure)
    return Decimal(n.half_width).scaleb(-n.measure.scale if n.measure.decimal else 0)


def _keeps_price(before: Odometer, limit: Budget, loss: Loss, epsilon: Decimal) -> bool:
    """Whether the account accepts the loss and goes down by no more than the epsilon that was asked.

    Gaussian noise ends the pure sum, after which the account stands where its zCDP sum converts to. Soon
    after pure questions that would cost far more than this question is worth.
    """
    after = before.after(loss)
    if not within(after, limit):
        return False
    return spent_epsilon(after, limit.delta) <= spent_epsilon(before, limit.delta) + epsilon + ROUNDING


def _fits(states: Sequence[tuple[Account, Odometer]], loss: Loss) -> bool:
    return all(within(odometer.after(loss), account.limit) for account, odometer in states)


@dataclass(frozen=True, slots=True)
class _Candidate:
    boundaries: tuple[PricedBoundary, ...]
    loss: Loss
    error: float


def _candidates(
    boundaries: Sequence[Boundary], epsilon: Decimal, delta: Decimal, room: Decimal
) -> list[_Candidate]:
    """Laplace, and Gaussian where there is `room`: the delta at which rho is converted."""
    whole = sum(m.weight.value for b in boundaries for m in b.vectors)

    def part(amount: Decimal, m: Measure) -> Decimal:
        return _down(amount * m.weight.value / whole)

    def laplace(b: Boundary, m: Measure) -> tuple[Noise, Loss]:
        return _noise(b, m, laplace_for, part(epsilon, m), part(epsilon, m))

    found = [_candidate(boundaries, delta, laplace)]
    rho = epsilon_to_rho(epsilon, room) if room > 0 else Decimal(0)
    if all(part(rho * SHARE, m) > 0 for b in boundaries for m in b.vectors):

        def gaussian(b: Boundary, m: Measure) -> tuple[Noise, Loss]:
            return _noise(b, m, gaussian_for, part(rho, m), part(epsilon, m))

        found.append(_candidate(boundaries, delta, gaussian))
    return found


def _noise(
    b: Boundary,
    m: Measure,
    kind: Callable[[Sensitivity, Decimal], Mechanism],
    amount: Decimal,
    epsilon: Decimal,
) -> tuple[Noise, Loss]:
    """The noise on a measure for `amount` (epsilon or rho), shown as `epsilon`, and what it costs."""
    if not m.found:
        mechanism = kind(b.sensitivity(m), amount)
        return Noise(m, mechanism, epsilon, _half_width(b, m, mechanism)), _loss(mechanism, b.sensitivity(m))
    counts = counts_sensitivity(b.groups)
    searching = kind(counts, _down(amount * SHARE))
    rest = amount - _down(amount * SHARE)
    mechanism = kind(b.sensitivity(m), rest)
    search = Search(grid(m.most), searching, _down(epsilon * SHARE), rest)
    # Whatever the clamp, the noise that follows from it costs no more than the rest: all of it is charged.
    laplace = isinstance(mechanism, Laplace)
    total = Loss(rest, pure_to_rho(rest), Decimal(0)) if laplace else Loss(None, rest, Decimal(0))
    return Noise(m, mechanism, epsilon, mechanism.half_width(), search), _loss(searching, counts) + total


def _loss(mechanism: Mechanism, sensitivity: Sensitivity) -> Loss:
    if isinstance(mechanism, Laplace):
        return mechanism.loss(sensitivity.l1)
    return mechanism.loss(sensitivity.l2)


def _candidate(
    boundaries: Sequence[Boundary],
    delta: Decimal,
    noise_for: Callable[[Boundary, Measure], tuple[Noise, Loss]],
) -> _Candidate:
    selecting = sum(b.selects for b in boundaries)
    pure: Decimal | None = Decimal(0)
    rho = Decimal(0)
    logs: list[float] = []
    priced = []
    for b in boundaries:
        noises = []
        for m in b.vectors:
            noise, loss = noise_for(b, m)
            pure = None if pure is None or loss.epsilon is None else pure + loss.epsilon
            rho += loss.rho
            logs.append(math.log(max(noise.half_width, 0.5)))
            noises.append(noise)
        cut = 0
        if b.selects:
            units = next(n for n in noises if n.measure is b.units)
            part = (delta / selecting).quantize(DELTA_STEP, rounding="ROUND_FLOOR")
            cut = threshold(units.mechanism, b.groups, part, b.floor)
        elif b.keys:
            cut = b.floor
        priced.append(PricedBoundary(b, tuple(noises), cut))
    return _Candidate(tuple(priced), Loss(pure, rho, delta), sum(logs) / len(logs))


def _half_width(b: Boundary, m: Measure, mechanism: Mechanism) -> int:
    """95 % half-width of a noisy number; of ranks, that of the rank of a quantile."""
    if m.kind is Measures.RANKS:
        return math.ceil(b.tree(m).rank_error(mechanism))
    return mechanism.half_width()


def _down(value: Decimal) -> Decimal:
    return value.quantize(EPSILON_STEP, rounding="ROUND_FLOOR")


def _protected_policies(rewritten: Rewritten) -> dict[str, tuple[Policy, PrivacyBlock]]:
    """Datasets of the protected tables that the question touches, with their privacy blocks."""
    analyzed = rewritten.analyzed
    visible = analyzed.authorized.resolved.visible
    found: dict[str, tuple[Policy, PrivacyBlock]] = {}
    for key in analyzed.tables:
        if visible.tables[key].protection == "open":
            continue
        policy = visible.datasets[key[0]]
        if policy.privacy is None:
            raise SandboxError(
                ErrorCode.POLICY_REFUSED,
                f"The policy of {policy.dataset} states no budgets.",
                "Ask a steward to add the `privacy` block.",
            )
        found[policy.dataset] = (policy, policy.privacy)
    return found


def _accounts(rewritten: Rewritten) -> tuple[Account, ...]:
    """The budgets that hold together: grant x dataset, project x unit, and the dataset over all projects."""
    analyzed = rewritten.analyzed
    grant = analyzed.authorized.admitted.grant
    visible = analyzed.authorized.resolved.visible
    accounts: list[Account] = []
    for name, (_, privacy) in sorted(_protected_policies(rewritten).items()):
        accounts.append(Account(AccountKind.GRANT_DATASET, f"{grant.grant}/{name}", _limit(grant.budget)))
        units = {
            t.unit.name
            for k in analyzed.tables
            if (t := visible.tables[k]).unit is not None
            and t.protection == "protected"
            and visible.datasets[k[0]].dataset == name
        }
        accounts += [
            Account(AccountKind.PROJECT_UNIT, f"{grant.project}/{u}", _limit(privacy.project))
            for u in sorted(units)
        ]
        accounts.append(Account(AccountKind.DATASET, name, _limit(privacy.budget)))
    return tuple(accounts)


def _limit(block: BudgetBlock) -> Budget:
    return Budget(block.epsilon, block.delta)


def _check(asked: Decimal, least: Decimal, cap: Decimal, rewritten: Rewritten) -> None:
    if not asked.is_finite() or asked < least or asked > LARGEST_EPSILON:
        raise SandboxError(
            ErrorCode.EPSILON_INVALID,
            f"Epsilon is a number of at least {least:f}, not {str(asked)[:40]}.",
            "0.1 to 1 is usual; see the price first with --estimate.",
        )
    if asked > cap:
        datasets = sorted(_protected_policies(rewritten))
        raise SandboxError(
            ErrorCode.EPSILON_INVALID,
            f"One question may spend at most epsilon {cap:f} here, not {asked:f}.",
            "Ask with a smaller epsilon.",
            rules=tuple(f"{d}.policy.yaml#privacy.question.epsilon" for d in datasets),
        )


def _conversion_room(
    accounts: Sequence[Account], policies: dict[str, tuple[Policy, PrivacyBlock]], selection: Decimal
) -> Decimal:
    """The delta at which a Gaussian question's rho is converted to its epsilon.

    At most what every account keeps for conversion, and, with the question's own selection, at most the
    policy's delta for one question: alone, the question is within the epsilon and delta that its cap states.
    """
    least = min(a.limit.delta for a in accounts)
    cap = min(p.question.delta for _, p in policies.values())
    return max(Decimal(0), min(conversion_delta(least), cap - selection))


def _selection_delta(
    accounts: Sequence[Account], policies: dict[str, tuple[Policy, PrivacyBlock]]
) -> Decimal:
    cap = min(p.question.delta for _, p in policies.values())
    least = min(a.limit.delta for a in accounts)
    delta = min(cap, least / SELECTION_PARTS).quantize(DELTA_STEP, rounding="ROUND_FLOOR")
    if delta < DELTA_STEP:
        raise SandboxError(
            ErrorCode.DELTA_NEEDED,
            "The groups of this question are known to the data only; naming them needs a budget with delta.",
            "Group by a column with public values, or ask for a grant and a policy with delta above 0.",
        )
    return delta
