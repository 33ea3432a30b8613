"""Configuration of JupyterHub on Kubernetes: `jupyterhub -f` reads it in the hub's pod.

Rules
- One pod for each person: the trimmed notebook server, and its kernels in rooms of their own inside it. The
  pod is a second wall around them: gVisor's kernel below it, no capability, no token of the cluster, no
  writable root, and a network that leads to the hub and the API only.
- Who may reach what stands in `network.yaml`; how much there is in `quotas.yaml`.
"""

from __future__ import annotations

import os
from pathlib import Path

from hub_config import login, report, roles
from hub_config.certificate import secure
from hub_config.kubernetes import pod

state = Path(os.environ.get("SANDBOX_HUB_STATE", "/srv/hub"))
here = Path(__file__).resolve().parents[1]
# Pods resolve no names, so they are told addresses; the cluster puts those of its services here.
api = f"http://{os.environ['SANDBOX_API_SERVICE_HOST']}:{os.environ['SANDBOX_API_SERVICE_PORT']}"
hub = f"http://{os.environ['HUB_SERVICE_HOST']}:{os.environ['HUB_SERVICE_PORT']}"

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = "http://:8000/"
c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
c.JupyterHub.hub_connect_url = hub
c.JupyterHub.db_url = f"sqlite:///{state / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.template_paths = [str(here / "templates")]
c.JupyterHub.allow_named_servers = False
c.JupyterHub.cleanup_servers = False
c.JupyterHub.default_url = report.first_page
only = {"secure": True} if secure() else {}
c.JupyterHub.tornado_settings = {
    "headers": {"Content-Security-Policy": "frame-ancestors 'none'"},
    "cookie_options": only,
    "xsrf_cookie_kwargs": only,
}
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = (
    f"http://{os.environ['PROXY_API_SERVICE_HOST']}:{os.environ['PROXY_API_SERVICE_PORT']}"
)

c.JupyterHub.custom_scopes = roles.custom_scopes()
c.JupyterHub.load_roles = roles.hub_roles()
c.JupyterHub.services = [
    {**roles.service(api), "api_token": os.environ["SANDBOX_HUB_SERVICE_TOKEN"]},
    {"name": roles.REPORTER, "api_token": os.environ["SANDBOX_HUB_REPORT_TOKEN"]},
]

login.configure(c, state)
report.configure(c, api)
pod.configure(c, api)
