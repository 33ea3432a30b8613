"""A person at the hub, over HTTP and websockets: logs in, starts a server, runs cells."""

from __future__ import annotations

import json
import re
import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websocket import WebSocket, create_connection

PATIENCE = 120.0


class Person:
    """Somebody with a cookie jar.

    Args:
        url: of the hub, without a slash at its end.
        name: who.
        trusting: whom to believe that they are the hub.

    """

    def __init__(self, url: str, name: str, trusting: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.name = name
        self.trusting = trusting or ssl.create_default_context()
        self.http = httpx.Client(
            base_url=url, follow_redirects=True, timeout=PATIENCE, trust_env=False, verify=self.trusting
        )

    def log_in(self, password: str, new: str = "") -> httpx.Response:
        """Fill in the form."""
        page = self.http.get("/hub/login")
        found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert found is not None, page.text[:500]
        form = {"username": self.name, "password": password, "new_password": new, "_xsrf": found[1]}
        return self.http.post("/hub/login", data=form, follow_redirects=False)

    def hub(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The hub's API, as its pages call it."""
        return self._call(method, f"/hub/api{path}", "/hub/", more)

    def server(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The person's own server."""
        return self._call(method, f"/user/{self.name}{path}", f"/user/{self.name}/", more)

    def _call(self, method: str, path: str, cookies_of: str, more: dict[str, Any]) -> httpx.Response:
        headers = {"X-XSRFToken": self.xsrf(cookies_of), "Referer": self.url + "/", **more.pop("headers", {})}
        return self.http.request(method, path, headers=headers, follow_redirects=False, **more)

    def xsrf(self, path: str) -> str:
        """The cookie that a form of pages below `path` carries."""
        mine = [c for c in self.http.cookies.jar if c.name == "_xsrf" and path.startswith(c.path)]
        return max(mine, key=lambda c: len(c.path)).value or "" if mine else ""

    def start_server(self) -> None:
        """Ask for the server, and wait until it answers."""
        asked = self.hub("POST", f"/users/{self.name}/server")
        assert asked.status_code in (201, 202, 400), asked.text
        last = time.monotonic() + PATIENCE
        while time.monotonic() < last:
            page = self.http.get(f"/user/{self.name}/lab")
            if page.status_code == 200 and "jupyter-config-data" in page.text:
                return
            time.sleep(0.3)
        raise AssertionError(page.text[:1000])

    def open_kernel(self) -> Kernel:
        """A new kernel on the server, and the line to it."""
        made = self.server("POST", "/api/kernels", json={"name": "sandbox"})
        assert made.status_code == 201, made.text
        number = made.json()["id"]
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.http.cookies.jar)
        address = f"{self.url.replace('http', 'ws', 1)}/user/{self.name}/api/kernels/{number}/channels"
        line = create_connection(
            address, cookie=cookies, timeout=PATIENCE, origin=self.url, sslopt={"context": self.trusting}
        )
        return Kernel(line, number)

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """A new kernel on the server, ended afterwards."""
        kernel = self.open_kernel()
        try:
            yield kernel
        finally:
            kernel.line.close()
            ended = self.server("DELETE", f"/api/kernels/{kernel.number}")
        assert ended.status_code == 204, ended.text


class Kernel:
    """The line to a kernel, as Lab holds it (the JSON protocol)."""

    def __init__(self, line: WebSocket, number: str) -> None:
        self.line = line
        self.number = number

    def send(self, code: str) -> str:
        """Ask for a cell to run, and do not wait; returns the number of the request."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": header | {"version": "5.3"}, "parent_header": {}, "metadata": {}}
        self.line.send(json.dumps(message | {"content": content, "channel": "shell"}))
        return number

    def run(self, code: str, patience: float = PATIENCE) -> str:
        """What a cell printed, returned or raised."""
        number = self.send(code)
        said, last = "", time.monotonic() + patience
        while True:
            self.line.settimeout(max(0.1, last - time.monotonic()))
            reply = json.loads(self.line.recv())
            if reply.get("parent_header", {}).get("msg_id") != number:
                continue
            kind, body = reply["msg_type"], reply["content"]
            if kind == "stream":
                said += body["text"]
            elif kind in ("execute_result", "display_data"):
                said += body["data"].get("text/plain", "")
            elif kind == "error":
                said += "\n".join(body["traceback"])
            elif kind == "status" and body["execution_state"] == "idle":
                return said
