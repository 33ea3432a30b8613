"""The pod of one person, as KubeSpawner starts it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hub_config import roles

USER = 1000
HOME = "/home/person"
SERVER_MB = 1024
NAMESPACE = "rooms"
PYTHON = "/opt/data-sandbox/.venv/bin/python"
INSTALLED = Path(__file__).resolve().parents[1]


def configure(c: Any, api: str) -> None:
    """Set the spawner.

    Args:
        c: configuration of the hub, whose image is the one of people's pods too.
        api: address of the sandbox API, without a name to be resolved.

    """
    kernels_mb = int(os.environ.get("SANDBOX_ROOM_MEMORY_MB", "2048"))
    cpus = float(os.environ.get("SANDBOX_ROOM_CPUS", "1.0"))
    work_mb = int(os.environ.get("SANDBOX_ROOM_WORK_MB", "1024"))
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    room = c.KubeSpawner
    room.namespace = NAMESPACE
    room.enable_user_namespaces = False
    room.image = os.environ["SANDBOX_POD_IMAGE"]
    room.image_pull_policy = "IfNotPresent"
    room.default_url = "/lab/tree/start-here.ipynb"
    room.notebook_dir = f"{HOME}/notebooks"
    room.start_timeout = 300
    room.server_token_scopes = roles.server_scopes()
    room.cmd = [
        *(PYTHON, "-m", "sandbox.rooms.server", "--uid", str(USER), "--folder", HOME),
        *("--starter", str(INSTALLED / "notebooks"), "--", "jupyterhub-singleuser"),
    ]
    room.args = ["--ServerApp.log_level=WARN"]
    room.environment = environment(api)

    room.uid = room.gid = room.fs_gid = USER
    room.privileged = False
    room.allow_privilege_escalation = False
    room.container_security_context = {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    room.pod_security_context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    room.service_account = "room"
    room.automount_service_account_token = False
    room.services_enabled = False
    room.extra_pod_config = {
        "runtimeClassName": os.environ.get("SANDBOX_POD_RUNTIME", "gvisor"),
        "enableServiceLinks": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        # Nothing resolves names: what a name carries could leave by them.
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
    }

    room.cpu_limit = cpus + 0.5
    room.cpu_guarantee = 0.1
    room.mem_limit = f"{kernels_mb + SERVER_MB}M"
    room.mem_guarantee = f"{SERVER_MB // 2}M"
    room.extra_resource_limits = {"ephemeral-storage": "1Gi"}
    room.extra_resource_guarantees = {"ephemeral-storage": "64Mi"}
    room.storage_pvc_ensure = True
    room.pvc_name_template = "person-{user_server}"
    room.storage_capacity = f"{work_mb}Mi"
    room.storage_access_modes = ["ReadWriteOncePod"]
    room.volumes = [
        {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
    ]
    room.volume_mounts = [
        {"name": "home", "mountPath": HOME},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- in the pod
    ]


def environment(api: str) -> dict[str, str]:
    """Variables of the server; its kernels see none of them."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("SANDBOX_ROOM_")}
    return {
        **settings,
        "HOME": HOME,
        "LANG": "C.UTF-8",
        "SANDBOX_URL": api,
        "SANDBOX_ROOM_WORK": f"{HOME}/work",
        "JUPYTER_CONFIG_DIR": str(INSTALLED / "server"),
        "JUPYTER_CONFIG_PATH": str(INSTALLED / "server"),
        "JUPYTER_RUNTIME_DIR": "/tmp/run",  # noqa: S108 -- in the pod
        "JUPYTER_DATA_DIR": "/tmp/run/data",  # noqa: S108 -- in the pod
        "JUPYTERLAB_SETTINGS_DIR": "/tmp/run/settings",  # noqa: S108 -- in the pod
        "JUPYTERLAB_WORKSPACES_DIR": "/tmp/run/workspaces",  # noqa: S108 -- in the pod
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "sandbox-room",
        # The spawner fills in what stands in single braces.
        "JUPYTERHUB_COOKIE_OPTIONS": '{{"secure": true}}',
        "PYTHONDONTWRITEBYTECODE": "1",
    }
