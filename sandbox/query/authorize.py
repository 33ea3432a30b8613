"""Step 3, authorize: person, purpose, grant and policies say yes or no, with rules and reasons.

`admit` comes before names are resolved, so that a person without the grant learns nothing of its
tables; `authorize` decides on every use of every column. Both see public state only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sandbox.identity import Person
from sandbox.policy.decide import Decision, Request, check, decide
from sandbox.policy.published import Published
from sandbox.policy.types import Grant, Policy, Setting
from sandbox.query.resolve import Resolved


@dataclass(frozen=True, slots=True)
class Admitted:
    """A person with a grant that lets them ask: the grant, and the policies of its datasets."""

    person: Person
    grant: Grant
    policies: Mapping[str, Policy]
    published: Published
    today: date


@dataclass(frozen=True, slots=True)
class Authorized:
    """A question that policy and grant allow."""

    admitted: Admitted
    resolved: Resolved
    decision: Decision


def admit(person: Person, grant: str, published: Published, today: date) -> Admitted:
    """Whether the person may ask anything under the grant.

    Raises:
        SandboxError: `person-unknown`, `grant-unknown`, `grant-refused`, `role-refused`, `policy-refused`.

    """
    check(Request(person, grant, Setting.QUERY, (), today), published)
    block = published.grants[grant].content
    policies = {d: published.policies[d].content for d in block.datasets if d in published.policies}
    return Admitted(person, block, policies, published, today)


def decision_on(admitted: Admitted, resolved: Resolved) -> Decision:
    """The decision with its reasons, also when it refuses."""
    return decide(_request(admitted, resolved), admitted.published)


def authorize(admitted: Admitted, resolved: Resolved) -> Authorized:
    """Allow or refuse.

    Raises:
        SandboxError: the first refusal, with its code, rule and place.

    """
    return Authorized(admitted, resolved, check(_request(admitted, resolved), admitted.published))


def _request(admitted: Admitted, resolved: Resolved) -> Request:
    return Request(admitted.person, admitted.grant.grant, Setting.QUERY, resolved.usages, admitted.today)
