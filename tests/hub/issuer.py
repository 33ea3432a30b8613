"""A real OpenID Connect provider (npm's oidc-provider), and logging in there as a browser does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from hub_config.__main__ import node
from tests.hub.browser import Person

MODULES = Path(sys.prefix) / "provider"
SCRIPT = Path(__file__).with_name("provider") / "provider.mjs"
SECRET = "a client secret of thirty-two signs"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A started provider."""

    url: str

    def twist(self, how: str = "") -> list[str]:
        """Make the next ID tokens wrong in one way (none when empty); returns every way."""
        found: list[str] = httpx.get(f"{self.url}/twist", params={"how": how}, trust_env=False).json()
        return found

    def change(self, person: str, claims: Mapping[str, Any]) -> None:
        """What the provider says of somebody from now on."""
        asked = {"person": person, "claims": json.dumps(claims)}
        httpx.get(f"{self.url}/change", params=asked, trust_env=False).raise_for_status()


@contextmanager
def issuing(callback: str, people: Mapping[str, Mapping[str, Any]]) -> Iterator[Issuer]:
    """Start a provider whose people have these claims; whoever knows a name may log in by it."""
    assert (MODULES / "node_modules" / "oidc-provider").is_dir(), "make setup"
    command = [str(node()), str(SCRIPT), str(MODULES), callback, SECRET]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(people))
        process.stdin.close()
        yield Issuer(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(30)


def to_callback(person: Person) -> httpx.Response:
    """Go from the hub's button through the provider's pages, up to the redirect back to the hub."""
    reply = person.http.get("/hub/oauth_login", follow_redirects=False)
    for _ in range(20):
        if "location" in reply.headers:
            target = urljoin(str(reply.url), reply.headers["location"])
            if "/hub/oauth_callback" in target:
                return reply
            reply = person.http.get(target, follow_redirects=False)
            continue
        form = re.search(r'<form[^>]*action="([^"]+)"', reply.text)
        assert form is not None, reply.text[:2000]
        prompt = re.search(r'name="prompt" value="(\w+)"', reply.text)
        assert prompt is not None, reply.text[:2000]
        answers = {"prompt": prompt[1], "login": person.name, "password": "any"}
        reply = person.http.post(urljoin(str(reply.url), form[1]), data=answers, follow_redirects=False)
    raise AssertionError(reply.text)


def log_in(person: Person) -> httpx.Response:
    """The whole way; the hub's reply at its end."""
    return person.http.get(to_callback(person).headers["location"], follow_redirects=False)
