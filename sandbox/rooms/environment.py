"""The Python environment that a room sees, read-only: an interpreter, its packages, the client SDK."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms.spec import Mount

SDK = Path("/opt/sandbox")
SYSTEM = Path("/usr")


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter and what it needs to be seen.

    Attributes:
        interpreter: the program, as a path inside (the same as outside).
        mounts: its folders, read-only.

    """

    interpreter: Path
    mounts: tuple[Mount, ...]


def environment(python: Path | None = None) -> Environment:
    """The environment of an interpreter; without one, the one that runs this.

    Raises:
        SandboxError: ROOM_UNAVAILABLE when there is no such interpreter.

    """
    program = Path(sys.executable) if python is None else python.absolute()
    if not program.exists():
        raise SandboxError(
            ErrorCode.ROOM_UNAVAILABLE,
            f"There is no interpreter at {program}.",
            "Set SANDBOX_ROOM_PYTHON to the python of an environment that has ipykernel.",
        )
    folders = {program.parent.parent, program.resolve().parent.parent}
    if python is None:
        folders |= {Path(sys.prefix), Path(sys.base_prefix)}
    return Environment(program, tuple(Mount(folder, folder) for folder in _outermost(folders)))


def sdk() -> tuple[Mount, ...]:
    """The client SDK, and nothing else of this package, below `SDK`."""
    found = find_spec("sandbox")
    if found is None or found.origin is None:
        raise SandboxError(ErrorCode.ROOM_UNAVAILABLE, "The client SDK is not installed.", "make setup")
    package = Path(found.origin).parent
    names = ("__init__.py", "client")
    return tuple(Mount(package / name, SDK / "sandbox" / name) for name in names)


def _outermost(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Folders that are not below another of them or below /usr, which every room sees."""
    kept: list[Path] = []
    for folder in sorted(folders):
        if not any(folder.is_relative_to(above) for above in (SYSTEM, *kept)):
            kept.append(folder)
    return tuple(kept)
