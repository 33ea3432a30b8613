"""A machine that lacks something gets one clear message and exit code 1, never an unsealed kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import sandbox


def hub(tmp_path: Path, **also: str) -> subprocess.CompletedProcess[str]:
    """Try to start the hub."""
    environment = {**os.environ, "SANDBOX_HOME": str(tmp_path / "home"), **also}
    return subprocess.run(
        [sys.executable, "-m", "hub_config"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_its_proxy_the_hub_says_so(tmp_path: Path) -> None:
    done = hub(tmp_path, SANDBOX_HUB_PROXY=str(tmp_path))
    assert done.returncode == 1
    assert "make setup" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("ports", ["8001", "8001,8002", "8001,8002,8003,8004", "8001;8002;8003", "a,b,c"])
def test_ports_that_are_not_three_are_said(tmp_path: Path, ports: str) -> None:
    done = hub(tmp_path, SANDBOX_HUB_PORTS=ports)
    assert done.returncode == 1
    assert done.stderr.startswith("SANDBOX_HUB_PORTS names three ports")
    assert len(done.stderr.splitlines()) == 1


def test_the_command_line_needs_a_passphrase_that_nobody_has_to_type(tmp_path: Path) -> None:
    assert sandbox("serve", "--hub", home=tmp_path / "none").error == "home-missing"
    assert sandbox("init", home=tmp_path / "home").code == 0
    told = sandbox("serve", "--hub", home=tmp_path / "home", passphrase=None)
    assert (told.code, told.error) == (1, "passphrase-missing")
