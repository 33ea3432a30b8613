"""Who may publish which file."""

from __future__ import annotations

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.policy.published import Published
from sandbox.policy.read import Draft
from sandbox.policy.reasons import policy_file
from sandbox.policy.types import Grant, People, Policy


def may_publish(draft: Draft, actor: Actor, published: Published) -> None:
    """Pass when `actor` may make `draft` current.

    Raises:
        SandboxError: ROLE_REFUSED (another role publishes this kind), POLICY_REFUSED (not a steward of
            it).

    """
    match draft.model:
        case People():
            _has(actor, Role.OPERATOR, "people.yaml")
        case Policy() as policy:
            _has(actor, Role.STEWARD, f"a {draft.kind.value}")
            _steward_of(actor, policy)
            if policy.dataset in published.policies:
                _steward_of(actor, published.policies[policy.dataset].content)
        case Grant() as grant:
            _has(actor, Role.STEWARD, f"a {draft.kind.value}")
            current = published.grants.get(grant.grant)
            before = current.content.datasets if current is not None else ()
            for dataset in sorted({*grant.datasets, *before}):
                if dataset in published.policies:  # lint refuses the others, with their place
                    _steward_of(actor, published.policies[dataset].content)
        case _:
            _has(actor, Role.STEWARD, "units.yaml")


def _has(actor: Actor, role: Role, file: str) -> None:
    if role not in actor.person.roles:
        raise SandboxError(
            ErrorCode.ROLE_REFUSED,
            f"{actor.id} may not publish {file}: that takes the role {role.value}.",
            f"Ask a person with the role {role.value}.",
        )


def _steward_of(actor: Actor, policy: Policy) -> None:
    if actor.id not in policy.stewards:
        raise SandboxError(
            ErrorCode.POLICY_REFUSED,
            f"{actor.id} is no steward of dataset {policy.dataset}.",
            f"Ask one of its stewards: {', '.join(policy.stewards)}.",
            rules=(f"{policy_file(policy.dataset)}#stewards",),
        )
