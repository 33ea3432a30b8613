"""Who acts: people, their roles, and through which door they came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person may do here. Roles never imply one another."""

    OPC = "opc"
    STEWARD = "steward"
    AUDITOR = "auditor"
    OPERATOR = "operator"


class Via(StrEnum):
    """The door of an act. The local command line holds the keys, so `--as` is believed and logged."""

    CLI = "cli"
    API = "api"
    KERNEL = "kernel"
    CONSOLE = "console"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as `people.yaml` or the identity provider knows them."""

    id: str
    organisation: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person acting through a door."""

    person: Person
    via: Via

    @property
    def id(self) -> str:
        """The person's id."""
        return self.person.id


def operator_of_this_machine() -> Actor:
    """The one at the local command line when no `--as` is given."""
    return Actor(Person("operator", "this machine", frozenset({Role.OPERATOR})), Via.CLI)
