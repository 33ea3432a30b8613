"""The README's tour runs, command by command, and prints what the README says; in both languages."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.tour import Command, commands, fits, shape
from tests.house.tree import ROOT
from tests.ports import free_port

README = ROOT / "README.md"
DEMO = ".venv/bin/sandbox demo"
END = "--- end of command ---"


def scripts(document: Path, language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.M | re.S)
    return found


def run(command: Command, shell: subprocess.Popen[str]) -> list[str]:
    """What a command prints in the shell, standard error included."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    text = DEMO if command.text == "make demo" else command.text
    shell.stdin.write(f"{text}\necho; echo '{END}'\n")
    shell.stdin.flush()
    lines = []
    while (line := shell.stdout.readline()) and line.rstrip("\n") != END:
        lines.append(line.rstrip("\n"))
    return lines


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout to who types the README's commands."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return folder


@pytest.fixture(scope="module")
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def shell(place: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    environment["SANDBOX_LISTEN"] = address
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["bash"], cwd=place, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_the_tour_runs_as_printed(shell: subprocess.Popen[str], place: Path, address: str) -> None:
    for command in commands(README):
        printed = run(command, shell)
        assert fits(command.prints, printed), f"$ {command.text}\n" + "\n".join(printed)
    token, serve = next(block for block in scripts(README, "sh") if "serve" in block).splitlines()
    assert not [line for line in run(Command(token, ()), shell) if "error" in line]
    run(Command(f"{serve} >served 2>&1 & echo $! >pid", ()), shell)
    try:
        wait_for(address, place / "served")
        (notebook,) = scripts(README, "python")
        notebook = notebook.replace("127.0.0.1:8765", address) + "print(sorted(frame.columns), len(left))"
        (place / "notebook.py").write_text(notebook, "utf-8")
        printed = run(Command(".venv/bin/python notebook.py", ()), shell)
        assert printed[0] == "['mean_age', 'mean_age__half_width', 'status'] 3", "\n".join(printed)
    finally:
        run(Command("kill $(cat pid); wait", ()), shell)


def wait_for(address: str, log: Path) -> None:
    host, port = address.split(":")
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def test_make_demo_is_the_command_that_the_tour_runs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^demo:.*\n\t@(.*)$", makefile, re.M)
    assert recipe is not None
    assert recipe[1].replace("$(BIN)", ".venv/bin") == DEMO


def test_both_languages_tell_the_same_tour() -> None:
    translated = ROOT / "README.zh-CN.md"
    assert commands(README) == commands(translated)
    for language in ("sh", "python"):
        told = [
            [re.sub(r"#.*", "", text) for text in scripts(file, language)] for file in (README, translated)
        ]
        assert told[0] == told[1]


def test_shape_forgets_noise_and_keeps_words() -> None:
    assert shape("| hdl  |   51.3 | 0.27 |") == shape("| hdl |  9.1 | 12 |")
    assert shape("|------|------:|") == shape("|---|---:|")
    assert shape("nafld@sha256:0a1b2c3d4e5f6789") == shape("nafld@sha256:ffffffff00000000")
    assert shape("error[column-hidden]") != shape("error[column-use]")
    assert shape("ε 0.5") == "ε #"


def test_a_line_of_dots_stands_for_any_lines() -> None:
    assert fits(("a 1", "…", "z"), ["a 2", "b", "c", "z"])
    assert fits(("a 1", "…", "z"), ["a 2", "z"])
    assert not fits(("a 1", "z"), ["a 2", "b", "z"])
    assert not fits(("a",), ["a", "b"])
    assert not fits(("a",), [])
