"""The program as a process: exit codes, quick start, pipes, terminals, no traceback."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from sandbox.service import home as homes
from tests.cli.terminal import PASSPHRASE, PROGRAM, apart, sandbox
from tests.service.instance import settings

HEAVY = {"duckdb", "pyarrow", "sqlalchemy", "opendp", "sqlglot", "pydantic", "cryptography", "numpy", "yaml"}


def test_help_loads_nothing_heavy() -> None:
    script = "import sys, sandbox.cli.app; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_exit_codes(tmp_path: Path) -> None:
    assert apart("--help").code == 0
    assert apart("--version").out.startswith("data-sandbox ")
    assert apart().code == 2
    assert apart("nothing").code == 2
    assert apart("query").code == 2
    assert apart("query", "SELECT 1", "--nothing").code == 2
    missing = apart("token", "list", home=tmp_path / "nowhere")
    assert (missing.code, missing.error) == (1, "home-missing")
    assert apart("audit", "verify", tmp_path).code == 4


def test_every_command_has_help() -> None:
    groups = {"": 10, "policy": 3, "audit": 3, "keys": 1, "token": 3}
    for group, least in groups.items():
        out = sandbox(*([group] if group else []), "--help").out
        names = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()]
        assert len(names) >= least, out


def test_a_reader_that_hangs_up_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"'{PROGRAM}' --help | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_an_unforeseen_error_is_coded_and_written_down(tmp_path: Path) -> None:
    """A folder where a file should be: nobody foresaw it, and still no traceback leaves."""
    home = tmp_path / "home"
    homes.init(settings(home), PASSPHRASE)
    (home / ".vault.lock").unlink(missing_ok=True)
    (home / ".vault.lock").mkdir()
    done = apart("keys", "rotate", home=home)
    assert done.code == 1
    assert done.error in {"internal", "storage-unwritable"}


def test_a_terminal_gets_panels_and_a_pipe_plain_text(tmp_path: Path) -> None:
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "token", "list", "--home", str(tmp_path / "nowhere")],
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(secondary)
    shown = b""
    while True:
        try:
            part = os.read(primary, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert process.wait() == 1
    os.close(primary)
    text = shown.decode()
    assert "╭" in text
    assert "home-missing" in text
    assert "\x1b[" in text
    piped = apart("token", "list", home=tmp_path / "nowhere")
    assert "╭" not in piped.err
    assert "\x1b" not in piped.err


def test_arguments_that_are_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, as a shell can hand over, end in a coded error or a usage error."""
    home = tmp_path / "home"
    homes.init(settings(home), PASSPHRASE)
    done = subprocess.run(
        [os.fsencode(PROGRAM), b"query", b"SELECT '\xff\xfe'", b"--as", b"\xff", b"--grant", b"\xfe"],
        env={**os.environ, "SANDBOX_HOME": str(home), "SANDBOX_PASSPHRASE": PASSPHRASE},
        capture_output=True,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert b"Traceback" not in done.stderr
    assert b"error[person-unknown]" in done.stderr
