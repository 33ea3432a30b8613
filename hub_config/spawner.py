"""Starts the notebook server of a person, as a user of its own, through `sandbox.rooms.server`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Int, Unicode

from hub_config.certificate import secure

PROGRAMS = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
HERE = Path(__file__).resolve().parent


class RoomSpawner(LocalProcessSpawner):
    """A server process on this machine."""

    people = Unicode(help="Folder that holds one folder for each person.").tag(config=True)
    first_uid = Int(270_000, help="User number of the first person; each has the next one.").tag(config=True)
    api = Unicode(help="Address of the sandbox API, as servers reach it.").tag(config=True)

    granted_work_mb: int | None = None

    @property
    def number(self) -> int:
        """The person's user number."""
        return number(Path(str(self.people)), str(self.user.name), int(self.first_uid))

    @property
    def folder(self) -> Path:
        """The person's folder, called by the number: a name may be any word."""
        return Path(str(self.people), str(self.number))

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Nothing: `sandbox.rooms.server` becomes the person's user."""
        del name
        return _nothing

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Variables of the server; its kernels see none of them."""
        env.update(
            USER=self.user.name,
            HOME=str(self.folder),
            SHELL="/bin/sh",
            PATH=os.pathsep.join((str(Path(sys.executable).parent), *PROGRAMS)),
            LANG="C.UTF-8",
            SANDBOX_URL=self.api,
            JUPYTER_CONFIG_DIR=str(HERE / "server"),
            JUPYTER_CONFIG_PATH=str(HERE / "server"),
            JUPYTER_RUNTIME_DIR=str(self.folder / "run"),
            JUPYTER_DATA_DIR=str(self.folder / "run" / "data"),
            JUPYTERLAB_SETTINGS_DIR=str(self.folder / "run" / "settings"),
            JUPYTERLAB_WORKSPACES_DIR=str(self.folder / "run" / "workspaces"),
            JUPYTER_DEFAULT_PROVISIONER_NAME="sandbox-room",
            PYTHONDONTWRITEBYTECODE="1",
            JUPYTERHUB_COOKIE_OPTIONS=json.dumps({"secure": True} if secure() else {}),
            **{name: value for name, value in os.environ.items() if name.startswith("SANDBOX_ROOM_")},
        )
        return env

    async def start(self) -> Any:
        """Start the server as the person's user."""
        own = ["--uid", str(self.number), "--folder", str(self.folder)]
        own += ["--starter", str(HERE / "notebooks")]
        if self.granted_work_mb is not None:
            own += ["--work-mb", str(self.granted_work_mb)]
        self.cmd = [sys.executable, "-m", "sandbox.rooms.server", *own, "--", "jupyterhub-singleuser"]
        self.notebook_dir = str(self.folder / "notebooks")
        return await super().start()


def number(people: Path, person: str, first: int) -> int:
    """The user number of a person; a new person gets the next free one."""
    file = people / "numbers.json"
    known: dict[str, int] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if person not in known:
        known[person] = max(known.values(), default=first - 1) + 1
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps(known, indent=1), "utf-8")
        os.rename(aside, file)
    return known[person]


def _nothing() -> None:
    return None
