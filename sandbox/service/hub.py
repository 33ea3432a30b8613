"""People whom the hub recognised, and what the log keeps of their coming and going."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Person, Role, Via
from sandbox.policy.types import Compute
from sandbox.service.home import Home, today

MB_OF_GB = Decimal(10**9) / 2**20

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


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the grants of a person let a kernel, or their work folder, use up. None: the operator's settings.

    Attributes:
        memory_mb: memory of one kernel, in MiB.
        cpus: processor time of one kernel, in cores.
        processes: processes and threads of one kernel.
        work_mb: size of the work folder, in MiB.

    """

    memory_mb: int | None
    cpus: Decimal | None
    processes: int | None
    work_mb: int | None


def allowed(home: Home, person: str) -> Allowed:
    """The most that one current grant of a person says, of each; a grant that is silent leaves it open."""
    published, day = home.registry.snapshot(), today()
    grants = [published.grants[name].content for name in published.grants_of(person)]
    found = [grant.compute for grant in grants if grant.window.first <= day <= grant.window.last]

    def most(of: Callable[[Compute], Decimal]) -> Decimal | None:
        said = [of(compute) for compute in found]
        return max(said) if said and all(said) else None

    def whole(of: Callable[[Compute], Decimal]) -> int | None:
        amount = most(of)
        return None if amount is None else max(1, int(amount))

    return Allowed(
        memory_mb=whole(lambda compute: compute.memory_gb * MB_OF_GB),
        cpus=most(lambda compute: compute.cpus),
        processes=whole(lambda compute: Decimal(compute.processes)),
        work_mb=whole(lambda compute: compute.disk_gb * MB_OF_GB),
    )


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
