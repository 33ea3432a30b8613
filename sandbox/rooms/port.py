"""The port that every kind of wall fits: say what holds, prove it, start a room.

Rules
- `start` refuses unless the self-test of this process found every required capability to hold.
- A room that is closed leaves no process, no control group and no mount.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from subprocess import Popen
from typing import Protocol

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms.spec import RoomSpec


@dataclass(frozen=True, slots=True)
class Capability:
    """One property of the wall on this machine.

    Attributes:
        name: short and stable.
        holds: whether it was seen to hold.
        detail: what was seen, or what to do.
        required: whether a room starts without it.

    """

    name: str
    holds: bool
    detail: str
    required: bool = True


class Room(Protocol):
    """A started room."""

    @property
    def process(self) -> Popen[bytes]:
        """The process outside that the room lives and dies with."""
        ...

    def close(self) -> None:
        """End every process of the room and clear away what it stood on. May be called twice."""
        ...


class Backend(Protocol):
    """A kind of wall."""

    @property
    def name(self) -> str:
        """As people know it."""
        ...

    def capabilities(self) -> tuple[Capability, ...]:
        """What this machine offers, without starting anything."""
        ...

    def self_test(self) -> tuple[Capability, ...]:
        """What a probe inside a real room found, capabilities included."""
        ...

    def start(self, spec: RoomSpec) -> Room:
        """Start a room.

        Raises:
            SandboxError: ROOM_UNAVAILABLE, before anything of the room's own runs.

        """
        ...


def require(found: Iterable[Capability]) -> None:
    """Refuse unless everything required holds.

    Raises:
        SandboxError: ROOM_UNAVAILABLE, naming what is missing and what to do.

    """
    missing = [each for each in found if each.required and not each.holds]
    if missing:
        raise SandboxError(
            ErrorCode.ROOM_UNAVAILABLE,
            "This machine cannot seal a room: " + ", ".join(each.name for each in missing) + ".",
            " ".join(each.detail for each in missing[:3]) + " `sandbox doctor` shows the whole table.",
        )
