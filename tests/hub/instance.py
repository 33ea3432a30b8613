"""A real hub, as `sandbox serve --hub` starts it, before a real instance with real patients."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from hub_config.passwords import Passwords
from sandbox.identity import Via, operator_of_this_machine
from sandbox.service import home as homes
from sandbox.service import steward
from sandbox.service.home import Home
from tests.api.instance import GRANT, PASSPHRASE, PEOPLE, load_people, make
from tests.hub.browser import Person
from tests.ports import free_port
from tests.rooms.conftest import remove

STARTING_SECONDS = 180.0
PASSWORD = "correct horse battery {}"
# Every hub has users and control groups of its own, also beside another run on the same machine.
FIRST_UIDS = count(1_000_000 + 100 * os.getpid(), 20)
OTHERS = {"mo": ["opc"], "sun": ["opc", "auditor"], "chen": ["operator"], "nemo": []}


@dataclass
class Hub:
    """A started hub."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    once: Mapping[str, str]
    group: str
    _people: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        """Somebody who is logged in."""
        if name not in self._people:
            person = Person(self.url, name)
            if person.log_in(PASSWORD.format(name)).status_code != 302:
                assert person.log_in(self.once[name], PASSWORD.format(name)).status_code == 302, name
            self._people[name] = person
        return self._people[name]

    def token(self, name: str) -> str:
        """A token that somebody made for themself at the hub."""
        made = self.person(name).hub("POST", f"/users/{name}/tokens", json={"expires_in": 3600})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    @property
    def output(self) -> str:
        """What hub, proxy, service and servers printed."""
        return (self.folder / "output").read_text("utf-8", "replace")


def one_more(home: Home, papers: Path) -> None:
    """Publish mo, an OPC with one grant only, so that questions need not name it."""
    people = papers / "people.yaml"
    people.write_text(PEOPLE + "  mo: {organisation: Mo Studio (OPC), roles: [opc]}\n", "utf-8")
    steward.publish(home, operator_of_this_machine(), people)
    grant = papers / "grants" / "mos.yaml"
    compute = "compute: {memory_gb: 0.6, cpus: 0.75, processes: 100, disk_gb: 0.0126}\n"
    grant.write_text(GRANT.format(name="mos", people="[mo]", epsilon=40) + compute, "utf-8")
    steward.publish(home, homes.actor(home, "wang", Via.CLI), grant)


def person_folder(state: Path, name: str) -> Path:
    """The folder of a person who had a server."""
    numbers = json.loads((state / "people" / "numbers.json").read_text("utf-8"))
    return state / "people" / str(numbers[name])


@contextmanager
def running(folder: Path, **also: str) -> Iterator[Hub]:
    """Start a hub in `folder`, which holds an instance afterwards; `also` are variables."""
    for above in (folder, *folder.parents[:2]):
        above.chmod(above.stat().st_mode | 0o011)
    home = make(folder)
    load_people(home, folder)
    one_more(home, folder / "policies")
    homes.close(home)
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text(PASSPHRASE, "utf-8")
    (folder / "state").mkdir()
    listen = also.get("SANDBOX_HUB_LISTEN") or f"127.0.0.1:{free_port()}"
    first = next(FIRST_UIDS)
    group = f"sandbox-hub-tests-{first}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")},
        "SANDBOX_HUB_STATE": str(folder / "state"),
        "SANDBOX_HUB_LISTEN": listen,
        "SANDBOX_HUB_PORTS": ",".join(str(free_port()) for _ in range(3)),
        "SANDBOX_HUB_FIRST_UID": str(first),
        "SANDBOX_ROOM_CGROUP": group,
        "SANDBOX_ROOM_MEMORY_MB": "768",
        "SANDBOX_ROOM_WORK_MB": "24",
        "SANDBOX_ENGINE_THREADS": "1",
        **also,
    }
    program = [
        str(Path(sys.executable).with_name("sandbox")),
        "serve",
        "--hub",
        "--home",
        str(folder / "home"),
    ]
    program += ["--passphrase-file", str(folder / "passphrase")]
    with open(folder / "output", "w", encoding="utf-8") as output:
        process = subprocess.Popen(program, env=environment, stdout=output, stderr=output, text=True)
    scheme = "https" if "SANDBOX_HUB_CERTIFICATE" in also else "http"
    hub = Hub(f"{scheme}://{listen}", folder, process, {}, group)
    try:
        last = time.monotonic() + STARTING_SECONDS
        while "The data sandbox is at" not in hub.output:
            assert process.poll() is None, hub.output
            assert time.monotonic() < last, hub.output
            time.sleep(0.1)
        printed = dict(
            re.findall(r"^(\w+) \(.*\): password for the first login only: (\S+)$", hub.output, re.M)
        )
        if "SANDBOX_OIDC_ISSUER" not in also:
            hub.once = printed | Passwords(folder / "state" / "passwords.json").add(OTHERS)
        yield hub
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)
        remove(group)
    host, _, port = listen.rpartition(":")
    with socket.socket() as line:
        assert line.connect_ex((host, int(port))) != 0, "the proxy was left behind"
