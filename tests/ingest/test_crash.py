"""Loads that are killed, run out of disk, or are large: each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sandbox.errors import SandboxError
from sandbox.vault.sweep import sweep
from tests.ingest.instance import Instance, policy, protected

MARKER = "PLAINTEXT-MARKER-0042"
RULES = policy(t=protected(id="integer", name="text", x={"type": "decimal", "decimals": 2}))
ROWS = 30_000
SPAWN = multiprocessing.get_context("forkserver")
# PyArrow imports pandas when it is installed; once is enough.
SPAWN.set_forkserver_preload(["tests.ingest.test_crash", "pandas"])


def write(path: Path, rows: int) -> Path:
    """A table with a marker in every name."""
    ids = np.arange(rows) * 7919 % 1_000_003
    with path.open("w") as file:
        file.write("id,name,x\n")
        file.writelines(f"{one},{MARKER}-{one},{one % 977}.25\n" for one in ids.tolist())
        file.write(f"bad,{MARKER},1\n" * 10)
    return path


def load_in_child(home: Path, path: Path, memory: int, answers: Any, file_limit: int = 0) -> None:
    """What the child process does; says how far it is."""
    it = Instance.open(home)
    answers.send("open")
    if file_limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    try:
        it.load(path, RULES, memory=memory)
    except SandboxError as error:
        answers.send(error.code.value)
    else:
        answers.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def child(*args: Any, **named: Any) -> tuple[BaseProcess, Any]:
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=load_in_child, args=(*args, theirs), kwargs=named)
    process.start()
    theirs.close()
    assert ours.recv() == "open"
    return process, ours


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.long)])
def test_killed_at_any_point_the_version_before_is_whole(tmp_path, kills):
    home = tmp_path / "home"
    it = Instance.create(home)
    path = write(tmp_path / "a.csv", ROWS)
    it.load(write(tmp_path / "before.csv", 500), RULES, memory=100_000)
    it.store.close()
    process, answers = child(home, path, 500_000)
    started = time.monotonic()
    answers.recv()
    seconds = time.monotonic() - started
    process.join()
    versions = 2
    killed = 0
    for moment in np.random.default_rng(kills).uniform(0, 1.05, kills):
        process, answers = child(home, path, 500_000)
        started = time.monotonic()
        process.join(moment * seconds)
        if process.exitcode is not None:  # the first load was a slow one: kill the next ones sooner
            seconds = min(seconds, time.monotonic() - started)
        process.kill()
        process.join()
        it = Instance.open(home)
        assert it.files_with(MARKER.encode()) == []
        version = it.current()
        assert version is not None
        assert version.version in (versions, versions + 1)
        killed += version.version == versions
        versions = version.version
        assert it.rows().num_rows == ROWS
        sweep(home, it.catalog.committed_paths)
        assert len(it.folders()) == versions
        it.store.close()
    assert killed >= kills // 3, "most loads were killed before they committed"


@pytest.mark.parametrize("file_limit", [1000, 100_000, 400_000])
@pytest.mark.parametrize("memory", [500_000, 128 << 20], ids=["spilled", "in memory"])
def test_a_full_disk(tmp_path, file_limit, memory):
    """A limit on the size of files makes the kernel refuse real writes, as a full disk does."""
    home = tmp_path / "home"
    it = Instance.create(home)
    it.load(write(tmp_path / "before.csv", 500), RULES)
    it.store.close()
    process, answers = child(home, write(tmp_path / "a.csv", ROWS), memory, file_limit=file_limit)
    assert answers.recv() == "storage-full"
    process.join()
    it = Instance.open(home)
    assert it.rows().num_rows == 500
    sweep(home, it.catalog.committed_paths)
    assert len(it.folders()) == 1
    it.store.close()


def test_memory_is_flat(tmp_path):
    home = tmp_path / "home"
    Instance.create(home).store.close()
    peaks = []
    for rows in (400_000, 1_600_000):
        process, answers = child(home, write(tmp_path / f"{rows}.csv", rows), 8 << 20)
        peaks.append(answers.recv())
        process.join()
    print(f"peak RSS: {peaks[0] >> 10} and {peaks[1] >> 10} MiB")
    assert peaks[1] < 1.5 * peaks[0]
