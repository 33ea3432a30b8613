"""What connectors to databases share: where the server is, what is asked of it, where a new load goes on.

Rules
- A password is a secret by reference, never part of the URL.
- What is read is one table or one SELECT, in one snapshot, read-only. A connection that breaks ends the load:
  a second snapshot would be another table. The next load goes on by the key.
- With `key` rows come in its order, and after the reading `watermark` is its greatest value; with `after`
  only rows beyond that value are read.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from connectors.options import Options, wrong
from connectors.secret import Secret

Tls = Literal["verify", "none"]


@dataclass(frozen=True, slots=True)
class Server:
    """A database server, as its URL names it."""

    scheme: str
    host: str
    port: int
    user: str
    database: str
    password: Secret | None
    tls: Tls
    ca: str

    @property
    def uri(self) -> str:
        """Its URL, without anything secret."""
        return f"{self.scheme}://{self.host}:{self.port}/{self.database}"

    def secret(self) -> str:
        """The password; empty if there is none."""
        return "" if self.password is None else self.password.reveal()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read: one table (`schema.table`) or one SELECT, in the order of `key`, from `after` on."""

    table: tuple[str, ...]
    query: str
    key: str
    after: str | None

    @property
    def name(self) -> str:
        """A short name."""
        return ".".join(self.table) if self.table else "query"

    def everything(self, name: Callable[[str], str]) -> str:
        """The statement with all columns, without order.

        Args:
            name: quotes an identifier.

        """
        return f"SELECT * FROM {self._origin(name)}"

    def sql(self, columns: str, name: Callable[[str], str], literal: Callable[[str], str]) -> str:
        """The statement.

        Args:
            columns: the list of columns, as SQL.
            name: quotes an identifier.
            literal: makes a constant of `after`.

        """
        text = f"SELECT {columns} FROM {self._origin(name)}"
        if not self.key:
            return text
        # Qualified: a bare name would order by the column as it is selected, perhaps as a text.
        key = f"wanted.{name(self.key)}"
        if self.after is not None:
            text += f" WHERE {key} > {literal(self.after)}"
        return f"{text} ORDER BY {key}"

    def _origin(self, name: Callable[[str], str]) -> str:
        # Without AS, which some databases do not take here.
        return (".".join(map(name, self.table)) if self.table else f"({self.query}\n)") + " wanted"


def server_of(location: str, scheme: str, port: int, options: Options) -> Server:
    """The server that a URL names.

    Raises:
        SandboxError: ARGUMENT; the text never repeats a password.

    """
    try:
        url = urlsplit(location)
        parts = (url.hostname, url.port or port, url.path.strip("/"))
    except ValueError:
        raise _no_url(scheme) from None
    if url.password is not None:
        raise wrong(
            "A password may not stand in the URL.",
            "Use the option password: env:NAME or file:PATH, and change the password: it may be known now.",
        )
    host, number, database = parts
    if not host or not database or "/" in database or url.query or url.fragment or not url.username:
        raise _no_url(scheme)
    standard: Tls = "none" if is_loopback(host) else "verify"
    ways: tuple[Tls, ...] = ("verify", "none")
    tls = options.choice("tls", ways, standard)
    password = options.secret("password")
    return Server(
        scheme, host, number, unquote(url.username), unquote(database), password, tls, options.text("ca")
    )


def wanted(options: Options) -> Wanted:
    """What is to be read.

    Raises:
        SandboxError: ARGUMENT.

    """
    table = options.text("table")
    query = options.text("query").strip().rstrip(";")
    key = options.text("key")
    after = options.text("after") if options.has("after") else None
    if bool(table) == bool(query):
        raise wrong(
            "A database needs exactly one of the options table and query.",
            "As in table: schema.name, or query: SELECT … .",
        )
    if after is not None and not key:
        raise wrong("The option after needs the option key.", "The column whose values only grow.")
    return Wanted(tuple(table.split(".")) if table else (), query, key, after)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_url(scheme: str) -> Exception:
    return wrong("This is not the URL of a database.", f"As in: {scheme}://reader@db.example:5432/registry")
