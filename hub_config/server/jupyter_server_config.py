"""Configuration of a person's notebook server: what it is trimmed to. The folder is read-only to people."""

from __future__ import annotations

import json
import os

from hub_config.gate import POLICY
from hub_config.one_kernel import OneKernel

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.ServerApp.kernel_spec_manager_class = OneKernel
c.MultiKernelManager.default_kernel_name = OneKernel.NAME
c.ServerApp.terminals_enabled = False
c.ServerApp.allow_origin = ""
c.ServerApp.disable_check_xsrf = False
c.ServerApp.quit_button = False
c.ServerApp.trust_xheaders = False
c.ServerApp.jpserver_extensions = {
    "jupyterlab": True,
    "hub_config.gate": True,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "notebook_shim": False,
    "nbclassic": False,
}
c.ServerApp.tornado_settings = {
    "headers": {"Content-Security-Policy": POLICY},
    "xsrf_cookie_kwargs": json.loads(os.environ.get("JUPYTERHUB_COOKIE_OPTIONS", "{}")),
}
c.ContentsManager.allow_hidden = False
c.FileContentsManager.delete_to_trash = False
c.FileContentsManager.always_delete_dir = False
c.LabApp.extension_manager = "readonly"
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.ZMQChannelsWebsocketConnection.limit_rate = True
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 1000
c.ZMQChannelsWebsocketConnection.iopub_data_rate_limit = 5_000_000
c.MappingKernelManager.cull_idle_timeout = 3600
c.MappingKernelManager.cull_interval = 300
c.MappingKernelManager.cull_connected = True
c.MappingKernelManager.kernel_info_timeout = 60
