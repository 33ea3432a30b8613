"""People whom the hub recognised, and what the log keeps of their coming and going."""

from __future__ import annotations

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Person, Role, Via
from sandbox.service.home import Home

HUB_EVENTS = {
    "logged-in": EventKind.HUB_LOGGED_IN,
    "server-started": EventKind.HUB_SERVER_STARTED,
    "server-ended": EventKind.HUB_SERVER_ENDED,
}
KERNEL_EVENTS = {"started": EventKind.KERNEL_STARTED, "ended": EventKind.KERNEL_ENDED}


def recognised(home: Home, person: str, roles: frozenset[Role], via: Via) -> Actor:
    """Somebody as the identity provider knows them: their roles are its groups.

    The organisation is the published one, if the published people name the person.
    """
    people = home.registry.snapshot().people
    known = None if people is None else people.content.people.get(person)
    return Actor(Person(person, "" if known is None else known.organisation, roles), via)


def hub_event(home: Home, event: str, person: str) -> None:
    """Log a login, or the start or end of a person's server.

    Raises:
        SandboxError: ARGUMENT for an event that does not exist.

    """
    _write(home, HUB_EVENTS, event, recognised(home, person, frozenset(), Via.HUB), {})


def kernel_event(home: Home, actor: Actor, event: str, kernel: str) -> None:
    """Log the start or end of a kernel.

    Raises:
        SandboxError: ARGUMENT for an event that does not exist.

    """
    _write(home, KERNEL_EVENTS, event, actor, {"kernel": kernel})


def call_refused(home: Home, actor: Actor, refusal: SandboxError) -> None:
    """Log that somebody was refused a call that is no question."""
    with home.store.write(Event(EventKind.CALL_REFUSED, actor, {"code": refusal.code.value})):
        pass


def _write(home: Home, kinds: dict[str, EventKind], event: str, actor: Actor, facts: dict[str, Fact]) -> None:
    kind = kinds.get(event)
    if kind is None:
        raise SandboxError(ErrorCode.ARGUMENT, "There is no such event.", f"Events: {', '.join(kinds)}.")
    with home.store.write(Event(kind, actor, facts)):
        pass
