"""What is published at one moment: the only thing that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, TypeVar

from sandbox.errors import SandboxError
from sandbox.identity import Person
from sandbox.policy.reasons import Because
from sandbox.policy.types import Grant, People, Policy, Units

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Version(Generic[C]):
    """A published file: what it says, and the digest (`sha256:…`) of its bytes."""

    digest: str
    content: C


@dataclass(frozen=True, slots=True)
class Published:
    """Everything published, at one revision (0: nothing yet).

    Attributes:
        policies: by dataset.
        grants: by grant.

    """

    revision: int = 0
    policies: Mapping[str, Version[Policy]] = field(default_factory=lambda: MappingProxyType({}))
    grants: Mapping[str, Version[Grant]] = field(default_factory=lambda: MappingProxyType({}))
    units: Version[Units] | None = None
    people: Version[People] | None = None

    def person(self, person: str) -> Person:
        """The person as `people.yaml` knows them.

        Raises:
            SandboxError: PERSON_UNKNOWN.

        """
        block = self.people.content.people.get(person) if self.people is not None else None
        if block is None:
            unknown = Because.PERSON_UNKNOWN.reason("people.yaml#people", {"person": person[:128]})
            assert unknown.code is not None  # noqa: S101
            raise SandboxError(unknown.code, unknown.text, unknown.hint, rules=(unknown.rule,))
        return Person(person, block.organisation, frozenset(block.roles))

    def grants_of(self, person: str) -> tuple[str, ...]:
        """The grants that name `person`, in order."""
        return tuple(sorted(name for name, grant in self.grants.items() if person in grant.content.people))
