"""A room with the shape of a kernel's, and what it prints."""

from __future__ import annotations

import os
import select
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.rooms.bubblewrap import Bubblewrap, BubblewrapRoom
from sandbox.rooms.environment import environment
from sandbox.rooms.kernel import KernelFolder, kernel_spec
from sandbox.rooms.spec import Limits, RoomSpec
from sandbox.settings import Settings

PATIENCE = 120.0


def settings(**values: object) -> Settings:
    """Settings of small rooms, whatever the environment says."""
    small = {"room_memory_mb": 512, "room_processes": 64, "room_scratch_mb": 4}
    return Settings.model_validate({**small, **values})


@contextmanager
def kernel_like(*command: str, limits: Limits | None = None, **values: object) -> Iterator[RoomSpec]:
    """The spec of a kernel's room that runs `command` in place of the kernel."""
    folder = KernelFolder(Path(tempfile.mkdtemp(prefix="room-")))
    folder.path.chmod(0o755)
    folder.dummy.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder.socket))
    seen = environment()
    spec = kernel_spec(f"test-{os.urandom(6).hex()}", folder, {}, settings(**values), seen, None)
    try:
        yield replace(spec, command=(str(seen.interpreter), "-P", *command), limits=limits or spec.limits)
    finally:
        listener.close()
        folder.clear()


@dataclass
class Told:
    """What a room printed and how it ended."""

    text: str
    code: int | None


def run(backend: Bubblewrap, spec: RoomSpec, patience: float = PATIENCE) -> Told:
    """Start a room, read what it prints, close it."""
    reader, writer = os.pipe()
    room = backend.start_untested(spec, writer)
    os.close(writer)
    try:
        text = read(reader, patience)
        code = room.process.wait(5)
    finally:
        room.close()
        os.close(reader)
    return Told(text, code)


def read(reader: int, patience: float, until: str | None = None) -> str:
    """What comes out of a pipe until it ends, or until a word."""
    last, said = time.monotonic() + patience, b""
    while (left := last - time.monotonic()) > 0 and (until is None or until.encode() not in said):
        if not select.select([reader], [], [], left)[0]:
            break
        piece = os.read(reader, 65536)
        if not piece:
            break
        said += piece
    return said.decode("utf-8", "replace")


@contextmanager
def running(backend: Bubblewrap, spec: RoomSpec, until: str) -> Iterator[BubblewrapRoom]:
    """A room that has printed a word and still runs."""
    reader, writer = os.pipe()
    room = backend.start_untested(spec, writer)
    os.close(writer)
    try:
        said = read(reader, PATIENCE, until)
        assert until in said, said
        yield room
    finally:
        room.close()
        os.close(reader)
