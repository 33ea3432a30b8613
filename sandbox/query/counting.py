"""How many rows of one unit count: in how many groups, in one group, and in what way that is made so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.policy.types import Scalar
from sandbox.query.relations import Contribution

if TYPE_CHECKING:
    from sandbox.query.boundary import Key

MOST_KEY_COMBINATIONS = 1_000_000
Domain = tuple[tuple[Scalar | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Counting:
    """What is counted of one unit in one grouping.

    Attributes:
        groups: most groups that it touches.
        limit: whether that must be enforced.
        per_group: most of its rows that count in one group.
        sure: most rows that it really has; None when that is not known.
        by_row: rows are bounded one by one and in number: no unit is looked at apart.

    """

    groups: int
    limit: bool
    per_group: int
    sure: int | None
    by_row: bool


def counting_of(keys: Sequence[Key], domain: Domain | None, bound: Contribution) -> Counting:
    """The bounds of groups by `keys`, of which `domain` is the public values.

    The single pass is taken where it gives no larger an L1 (docs/privacy-proofs.md, section 1, "Row by row").
    """
    groups, limit, per_group = _groups(keys, domain, bound)
    sure = bound.sure
    by_row = not limit and not bound.once and not bound.found
    if by_row and sure is not None and sure**2 <= groups * per_group**2:
        return Counting(groups, limit, sure, sure, by_row=True)
    return Counting(groups, limit, per_group, sure, by_row=False)


def _groups(keys: Sequence[Key], domain: Domain | None, bound: Contribution) -> tuple[int, bool, int]:
    """Most groups of one unit, whether that must be enforced, and most rows of it in one group."""
    if not keys or all(k.typed.unit_level for k in keys):
        return 1, False, bound.rows
    if domain is not None:
        size = math.prod(len(values) for values in domain)
        if size <= bound.groups:
            return size, False, bound.rows_per_group
    return bound.groups, not bound.once, bound.rows_per_group


def key_domain(keys: Sequence[Key]) -> Domain | None:
    """Public values of each key; None when one is not public or there are too many combinations."""
    domain: list[tuple[Scalar | None, ...]] = []
    size = 1
    for key in keys:
        if key.typed.keys is None:
            return None
        values: tuple[Scalar | None, ...] = (*key.typed.keys, None) if key.typed.nullable else key.typed.keys
        domain.append(values)
        size *= len(values)
    return tuple(domain) if size <= MOST_KEY_COMBINATIONS else None
