"""The command line, run in this process (quick) or in one of its own (exit codes, terminals, signals)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from sandbox.cli.app import run

PASSPHRASE = "a passphrase for tests"
PROGRAM = Path(sys.executable).with_name("sandbox")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def error(self) -> str:
        """The one coded error; empty when there is none."""
        lines = [line for line in self.err.splitlines() if line.startswith("error[")]
        assert len(lines) <= 1, self.err
        return lines[0].removeprefix("error[").partition("]")[0] if lines else ""


def sandbox(
    *arguments: str | Path,
    home: Path | None = None,
    stdin: bytes = b"",
    passphrase: str | None = PASSPHRASE,
    also: Mapping[str, str] | None = None,
) -> Ran:
    """Run a command in this process, piped; `also` is put into its environment."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        _process(arguments, {**_environment(home, passphrase), **(also or {})}, stdin),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = run()
    raw, said = out.buffer.getvalue(), err.buffer.getvalue().decode()
    assert "Traceback" not in said
    return Ran(code, raw.decode("utf-8", "replace"), said, raw)


def apart(
    *arguments: str | Path, home: Path | None = None, stdin: bytes = b"", cwd: Path | None = None
) -> Ran:
    """Run a command in a process of its own, piped."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        env={**os.environ, **_environment(home, PASSPHRASE)},
        input=stdin,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=600,
    )
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in err
    return Ran(done.returncode, out, err, done.stdout)


def _environment(home: Path | None, passphrase: str | None) -> dict[str, str]:
    found = {"SANDBOX_HOME": str(home)} if home is not None else {}
    return found | ({"SANDBOX_PASSPHRASE": passphrase} if passphrase is not None else {})


@contextmanager
def _process(
    arguments: tuple[str | Path, ...], environment: Mapping[str, str], stdin: bytes
) -> Iterator[None]:
    before = dict(os.environ), sys.argv, sys.stdin
    for name in [name for name in os.environ if name.startswith("SANDBOX_")]:
        del os.environ[name]
    os.environ.update(environment)
    sys.argv = ["sandbox", *map(str, arguments)]
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        sys.argv, sys.stdin = before[1:]
