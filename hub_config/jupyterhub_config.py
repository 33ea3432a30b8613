"""Configuration of JupyterHub: `jupyterhub -f` reads it. `python -m hub_config` sets its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hub_config import login, report, roles
from hub_config.certificate import secure
from hub_config.spawner import RoomSpawner

PROXY = "configurable-http-proxy"
PASSED_ON = ("SANDBOX_HOME", "SANDBOX_PASSPHRASE", "SANDBOX_PASSPHRASE_FILE", "PATH", "TMPDIR")
here = Path(__file__).resolve().parent
state = Path(os.environ["SANDBOX_HUB_STATE"])
listen = os.environ.get("SANDBOX_HUB_LISTEN", "127.0.0.1:8000")
ports = [int(port) for port in os.environ["SANDBOX_HUB_PORTS"].split(",")]
certificate = os.environ.get("SANDBOX_HUB_CERTIFICATE", "")
programs = Path(sys.executable).parent
api = f"http://127.0.0.1:{ports[0]}"

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = f"{'https' if certificate else 'http'}://{listen}/"
if certificate:
    c.JupyterHub.ssl_cert = certificate
    c.JupyterHub.ssl_key = os.environ["SANDBOX_HUB_KEY"]
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = [
    os.environ["SANDBOX_HUB_NODE"],
    str(Path(os.environ["SANDBOX_HUB_PROXY"], "node_modules", PROXY, "bin", PROXY)),
]
c.JupyterHub.db_url = f"sqlite:///{state / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.template_paths = [str(here / "templates")]
c.JupyterHub.cleanup_servers = True
c.JupyterHub.cleanup_proxy = True
c.JupyterHub.log_level = "WARN"
c.JupyterHub.allow_named_servers = False
c.JupyterHub.default_url = report.first_page
only = {"secure": True} if secure() else {}
c.JupyterHub.tornado_settings = {
    "headers": {"Content-Security-Policy": "frame-ancestors 'none'"},
    "cookie_options": only,
    "xsrf_cookie_kwargs": only,
}

c.JupyterHub.custom_scopes = roles.custom_scopes()
c.JupyterHub.load_roles = roles.hub_roles()
c.JupyterHub.services = [
    {
        **roles.service(api),
        "command": [str(programs / "sandbox"), "serve"],
        "environment": {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        | {"SANDBOX_LISTEN": api.removeprefix("http://")},
    },
    {"name": roles.REPORTER, "api_token": os.environ["SANDBOX_HUB_REPORT_TOKEN"]},
]

login.configure(c, state)
report.configure(c, api)

c.JupyterHub.spawner_class = RoomSpawner
c.RoomSpawner.people = str(state / "people")
c.RoomSpawner.first_uid = int(os.environ.get("SANDBOX_HUB_FIRST_UID", "270000"))
c.RoomSpawner.api = api
c.RoomSpawner.default_url = "/lab/tree/start-here.ipynb"
c.RoomSpawner.server_token_scopes = roles.server_scopes()
c.RoomSpawner.env_keep = []
c.RoomSpawner.http_timeout = 60
c.RoomSpawner.start_timeout = 60
c.RoomSpawner.args = ["--ServerApp.log_level=WARN"]
