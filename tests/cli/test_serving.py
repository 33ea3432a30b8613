"""`sandbox serve` in a process of its own: answers with a token from `sandbox token`, and ends when asked."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx

from sandbox.service import home as homes
from tests.cli.terminal import PASSPHRASE, PROGRAM, sandbox
from tests.ports import free_port
from tests.service.instance import settings, write_files


def test_it_serves_those_who_have_a_token_and_ends_cleanly(tmp_path: Path) -> None:
    home, files = tmp_path / "home", write_files(tmp_path / "files")
    homes.init(settings(home), PASSPHRASE)
    assert sandbox("policy", "publish", files.people, home=home).code == 0
    secret = sandbox("token", "create", "zhao", "--role", "auditor", home=home).out.strip()
    port = free_port()
    address = {
        "SANDBOX_LISTEN": f"127.0.0.1:{port}",
        "SANDBOX_HOME": str(home),
        "SANDBOX_PASSPHRASE": PASSPHRASE,
    }
    server = subprocess.Popen([PROGRAM, "serve"], env=os.environ | address, stderr=subprocess.PIPE)
    try:
        log = _get(f"http://127.0.0.1:{port}/v1/log", secret)
        assert log.status_code == 200, log.text
        assert [line["kind"] for line in log.json()["entries"]][-1] == "log.read"
        assert _get(f"http://127.0.0.1:{port}/v1/log", "sbx_wrong").status_code == 401
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=120)
    assert b"Traceback" not in said
    assert b"Serving" in said


def test_an_address_that_cannot_be_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    homes.init(settings(home), PASSPHRASE)
    for listen in ("nonsense", "0.0.0.0:80", "127.0.0.1:99999"):
        done = sandbox("serve", home=home, also={"SANDBOX_LISTEN": listen})
        assert (done.code, done.error) == (1, "argument")
    assert sandbox("serve", home=tmp_path / "nowhere").error == "home-missing"


def _get(url: str, secret: str) -> httpx.Response:
    for _ in range(1200):
        try:
            return httpx.get(url, headers={"Authorization": f"Bearer {secret}"}, timeout=120)
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError("the server never listened")
