"""Every attempt to get out of a kernel's room is blocked, by what the table in docs/isolation.md names."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import pyseccomp
import pytest

from sandbox.rooms import probe
from sandbox.rooms.bubblewrap import Bubblewrap
from tests.house.tree import ROOT
from tests.rooms import attempts
from tests.rooms.document import table
from tests.rooms.instance import kernel_like, run

SECRET = "a-secret-of-the-server"


@pytest.fixture(scope="module")
def outcomes(backend: Bubblewrap, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each attempt met inside a real room."""
    names = {name for name in pyseccomp_names() if name}
    numbers = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in names}
    neighbour = tempfile.mkdtemp(prefix="room-")
    code = Path(attempts.__file__).read_text("utf-8")
    os.environ["SANDBOX_TOKEN"] = SECRET
    try:
        with probe.Outside() as outside:
            port, abstract, file = outside.arguments()
            seen = {
                "port": int(port),
                "abstract": abstract,
                "file": file,
                "instance": str(tmp_path_factory.getbasetemp()),
                "neighbour": neighbour,
                "backwards": SECRET[::-1],
                "pid": os.getpid() + 100_000 if os.getpid() < 50 else os.getpid(),
            }
            with kernel_like("-c", code, json.dumps([seen, numbers])) as spec:
                told = run(backend, spec)
    finally:
        del os.environ["SANDBOX_TOKEN"]
        os.rmdir(neighbour)
    assert told.text.startswith("["), told
    return list(json.loads(told.text))


def pyseccomp_names() -> set[str]:
    """Every system call that an attempt names."""
    import re  # noqa: PLC0415

    text = Path(attempts.__file__).read_text("utf-8")
    return {
        name
        for name in re.findall(r'"([a-z_0-9]+)"', text)
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0
    }


def test_every_attempt_is_blocked_by_what_the_table_says(outcomes: list[str]) -> None:
    assert len(outcomes) == len(attempts.ATTEMPTS)
    wrong = [
        f"{one.what}: {seen} (expected {one.shows})"
        for one, seen in zip(attempts.ATTEMPTS, outcomes, strict=True)
        if seen not in one.shows.split(" or ")
    ]
    assert not wrong, "\n".join(wrong)


def test_there_are_many_and_all_different() -> None:
    assert len(attempts.ATTEMPTS) >= 80
    assert not [what for what, count in Counter(one.what for one in attempts.ATTEMPTS).items() if count > 1]


def test_outside_a_room_the_same_attempts_get_out() -> None:
    """The attempts are worth something: many of them succeed where there is no wall."""
    with probe.Outside() as outside:
        port, abstract, file = outside.arguments()
        attempts.OUTSIDE.update(port=int(port), abstract=abstract, file=file, pid=os.getpid(), backwards="")
        attempts.OUTSIDE.update(instance="/tmp", neighbour="/tmp")
        tried = {
            "read a file of another user",
            "reach a port on the machine's loopback",
            "reach an abstract Unix socket of the machine",
            "signal a process of the machine by its number",
            "see a process of the machine",
        }
        got_out = {
            one.what for one in attempts.ATTEMPTS if one.what in tried and attempts.outcome(one) == "GOT OUT"
        }
    assert got_out == tried


def test_the_table_in_the_documentation_is_this_one() -> None:
    assert table() in (ROOT / "docs" / "isolation.md").read_text("utf-8"), (
        "run: python -m tests.rooms.document"
    )
