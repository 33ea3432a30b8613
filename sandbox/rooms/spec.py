"""What a room is made of, before it is started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one room may use up.

    Attributes:
        memory_bytes: memory of all its processes together, files in its scratch folders included.
        processes: processes and threads at once.
        cpus: processor time, in cores.
        file_bytes: largest file that it may write.
        open_files: open files of one process.
        scratch_bytes: size of its home and of its /tmp, each; they are gone when it ends.

    """

    memory_bytes: int = 2048 * MIB
    processes: int = 256
    cpus: float = 1.0
    file_bytes: int = 1024 * MIB
    open_files: int = 1024
    scratch_bytes: int = 256 * MIB


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the machine, seen inside at `target`; only to be read unless `writable`."""

    source: Path
    target: Path
    writable: bool = False


@dataclass(frozen=True, slots=True)
class RunAs:
    """The unprivileged user that a room belongs to on the machine. Inside it is always user 1000."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class RoomSpec:
    """A room.

    Attributes:
        name: unique on the machine; lower-case letters, digits and hyphens.
        command: program and arguments, as paths inside.
        environment: every variable it has; nothing is inherited.
        mounts: what it sees beyond the system's own programs and libraries.
        folder: where it starts.
        listeners: open file descriptors handed on to it; every other one is closed.
        limits: what it may use up.
        run_as: who to become first; None: whoever starts it, who must not be root.

    Raises:
        ValueError: the name has other characters, or a path is not absolute.

    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    folder: Path = Path("/tmp")  # noqa: S108 -- inside the room
    listeners: tuple[int, ...] = ()
    limits: Limits = Limits()
    run_as: RunAs | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a room")
        for path in (self.folder, *(mount.target for mount in self.mounts)):
            if not path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{path} is not absolute")
