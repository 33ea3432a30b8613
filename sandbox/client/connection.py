"""The connection of a notebook to the sandbox."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pyarrow as pa

from sandbox.client import answer, model, reading, replies
from sandbox.client.answer import Answer
from sandbox.client.faults import SandboxRefused, SandboxUnreachable
from sandbox.client.lines import Lines
from sandbox.client.progress import LOOK_SECONDS, step_of, waiting

Result = TypeVar("Result")
Amount = Decimal | str | float

_ARROW = "application/vnd.apache.arrow.stream"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Sandbox:
    """A data sandbox.

    Args:
        url: where it listens; without it, the socket SANDBOX_SOCKET of a sealed notebook, which needs no
            token, or the environment's SANDBOX_URL.
        token: your bearer token; without it, the environment's SANDBOX_TOKEN.
        grant: the grant to ask under; without it, your only one.
        timeout: longest wait for a reply, in seconds; a question may run a minute and wait another.
        patience: longest time to try again while the service is busy or not there, in seconds.
        insecure: send the token over plain HTTP to another machine.
        transport: how httpx connects, for a Unix socket or a test.

    Raises:
        ValueError: no URL or token; or plain HTTP to another machine without `insecure`.

    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        grant: str | None = None,
        timeout: float = 150.0,
        patience: float = 30.0,
        insecure: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        door = os.environ.get("SANDBOX_SOCKET", "")
        if door and not url and transport is None:
            # The socket is the identity: whoever listens knows whose notebook this is.
            url, token, transport = "http://sandbox", "", _through(door)
        else:
            door = ""
            url = url or os.environ.get("SANDBOX_URL", "")
            token = token or os.environ.get("SANDBOX_TOKEN", "")
        if not door and not (url and token):
            raise ValueError(
                "A sandbox needs a URL and a token: Sandbox(url, token), or SANDBOX_URL and SANDBOX_TOKEN."
            )
        base = httpx.URL(url)
        if base.scheme not in ("http", "https"):
            raise ValueError("The URL of a sandbox begins with https:// (or http:// on this machine).")
        if base.scheme == "http" and base.host not in _LOOPBACK and transport is None and not insecure:
            raise ValueError(
                "Plain HTTP to another machine would show your token to the network: use https://, "
                "or pass insecure=True if something else protects the line."
            )
        if not token.isascii() or not token.isprintable():
            raise ValueError("The token has characters that no token has: copy it again.")
        self._url = f"{base.scheme}://{base.netloc.decode()}{base.path}"
        self._grant = grant
        self._patience = patience
        self._lines = Lines(base, {"Authorization": f"Bearer {token}"} if token else {}, timeout, transport)

    def sql(
        self,
        sql: str,
        *,
        grant: str | None = None,
        epsilon: Amount | None = None,
        within: Amount | Mapping[str, Amount] | None = None,
    ) -> Answer:
        """Ask a question and pay for it.

        Args:
            sql: one SELECT.
            grant: the grant to ask under.
            epsilon: privacy loss to spend; without it, the sandbox's default for the grant.
            within: wanted 95 % half-width, as 5 (in the column's unit) or "5%" (of its numbers), of every
                column or by column name; the least epsilon that meets it is spent, at most `epsilon`.

        Raises:
            SandboxRefused: the sandbox said no; nothing was charged.
            SandboxUnreachable: it was not begun; nothing was charged.
            SandboxFailed, ReplyLost: it may have been charged.

        """
        body = self._question(sql, grant, epsilon, within)
        with waiting(self._step):
            reply = self._send("POST", "/v1/questions", body=body, accept=_ARROW, safe=False)
        try:
            return answer.read(reply.content)
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise replies.not_ours(reply) from error

    def estimate(
        self,
        sql: str,
        *,
        grant: str | None = None,
        epsilon: Amount | None = None,
        within: Amount | Mapping[str, Amount] | None = None,
    ) -> model.Estimate:
        """What the question would cost and how wide its error bars would be. Costs nothing."""
        body = self._question(sql, grant, epsilon, within)
        return _read(reading.estimate, self._send("POST", "/v1/estimates", body=body))

    def explain(self, sql: str, *, grant: str | None = None) -> model.Explanation:
        """Whether the question is allowed, by which rules, and why. Costs nothing."""
        body = {"sql": sql, "grant": grant or self.grant}
        return _read(reading.explanation, self._send("POST", "/v1/explanations", body=body))

    def datasets(self) -> model.Listing[model.Dataset]:
        """What you may ask about, as declared; nothing is counted."""
        reply = self._send("GET", "/v1/datasets")
        return _read(lambda found: model.Listing(reading.dataset(item) for item in found["datasets"]), reply)

    def dummy(self, table: str, n: int = 100, *, seed: int = 0) -> pa.Table:
        """`n` dummy rows of `dataset.table`, made from what its policy declares: to try code on, free.

        The same seed gives the same rows, and tables of one dataset join. `.to_pandas()` makes a frame.

        Raises:
            ValueError: `table` is not written as dataset.table.
            SandboxRefused: there is no such table, or `n` is out of range.

        """
        dataset, dot, name = table.partition(".")
        if not dot or not dataset or not name:
            raise ValueError("Write the table as dataset.table.")
        path = f"/v1/dummy/{quote(dataset, safe='')}/{quote(name, safe='')}?rows={n:d}&seed={seed:d}"
        reply = self._send("GET", path, accept=_ARROW)
        try:
            return pa.ipc.open_stream(reply.content).read_all()
        except (pa.ArrowException, OSError) as error:
            raise replies.not_ours(reply) from error

    def budget(self, grant: str | None = None) -> model.Listing[model.BudgetState]:
        """Every budget that a question under the grant would be charged to."""
        reply = self._send("GET", "/v1/budgets/" + quote(grant or self.grant, safe=""))
        return _read(lambda found: model.Listing(reading.budgets(found["budgets"])), reply)

    @property
    def grant(self) -> str:
        """The grant to ask under when none is named: the one given at the start, or your only one.

        Raises:
            SandboxRefused: you have none, or several.

        """
        if self._grant is None:
            grants = sorted({name for found in self.datasets() for name in found.grants})
            if len(grants) != 1:
                raise SandboxRefused(
                    "grant-unknown",
                    "You have no grant." if not grants else f"You have several grants: {', '.join(grants)}.",
                    "Ask a steward for one." if not grants else "Name one: grant=…",
                )
            self._grant = grants[0]
        return self._grant

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Sandbox({self._url!r}" + (f", grant={self._grant!r})" if self._grant else ")")

    def _step(self) -> str:
        """At which step the one question is that runs; nothing where nothing is told."""
        reply = self._lines.request("GET", "/v1/progress", None, "application/json", LOOK_SECONDS)
        return step_of(reply.json()["questions"])

    def _question(
        self,
        sql: str,
        grant: str | None,
        epsilon: Amount | None,
        within: Amount | Mapping[str, Amount] | None,
    ) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "sql": sql,
            "grant": grant or self.grant,
            "epsilon": None if epsilon is None else str(epsilon),
        }
        if isinstance(within, Mapping):
            body["within"] = {name: str(width) for name, width in within.items()}
        elif within is not None:
            body["within"] = str(within)
        return body

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        accept: str = "application/json",
        safe: bool = True,
    ) -> httpx.Response:
        """Send a request; try again while that is free of charge.

        A request that never left, or that the service sent away before beginning it, may always be tried
        again; one whose reply was lost only when it is `safe`, that is, charges nothing.
        """
        last = time.monotonic() + self._patience
        pause = 0.5
        while True:
            wait = pause
            try:
                reply = self._lines.request(method, path, body, accept)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                fault = replies.unreachable(self._url, error)
            except httpx.RequestError as error:
                fault = replies.lost(error, safe=safe)
            else:
                if reply.status_code == 200:
                    return reply
                fault = replies.fault(reply, safe=safe)
                wait = max(pause, replies.retry_after(reply))
            if not isinstance(fault, SandboxUnreachable) or time.monotonic() + wait > last:
                raise fault
            time.sleep(wait)
            pause = min(2 * pause, 4.0)


def _through(door: str) -> httpx.BaseTransport:
    """A connection of its own for every request, so that threads share none. The socket speaks no TLS."""
    return httpx.HTTPTransport(uds=door, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


def _read(make: Callable[[Any], Result], reply: httpx.Response) -> Result:
    try:
        return make(reply.json())
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise replies.not_ours(reply) from error
